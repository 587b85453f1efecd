"""What a person has to know of, or to do something about: one pure function of the facts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from twin_matcher_dagster.erasure.deadlines import Deadline
from twin_matcher_dagster.reconciliation.chain import Chain
from twin_matcher_dagster.reconciliation.facts import Facts, FailedRun
from twin_matcher_dagster.reconciliation.missing import Missing, is_waiting
from twin_matcher_dagster.storage.fingerprint import fingerprint

MatterKind = Literal[
    "flagged", "failed", "refused", "gate", "stuck", "unreleased", "erasure", "disk"
]

_ID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")

DISK_LOW, DISK_ENOUGH = 0.10, 0.12
"""Shares of a disk that are free: from the one on it is low, and from the other on it is not any
more. The pages take nothing below 3%, so there is time to make room."""
DEADLINE_NEAR = 0.25
"""Of the time in which a model has to be trained without an erased upload: the last quarter."""


class Grace(NamedTuple):
    """How a kind of matter is told.

    Attributes:
        pause: it is told once it has been there for so long; what heals by itself is not told.
        end: whether it is told, too, that it is over.
    """

    pause: timedelta = timedelta(0)
    end: bool = True


# Dagster starts a run that was cut off again within two minutes; what waited while everything was
# stopped is caught up with within five. Whoever decides knows of the end.
GRACES: Mapping[MatterKind, Grace] = {
    "flagged": Grace(end=False),
    "failed": Grace(timedelta(minutes=2)),
    "refused": Grace(end=False),
    "gate": Grace(timedelta(minutes=1)),
    "stuck": Grace(timedelta(minutes=5)),
    "unreleased": Grace(),
    "erasure": Grace(),
    "disk": Grace(),
}


@dataclass(frozen=True)
class Matter:
    """Something that a person has to know of.

    Attributes:
        kind: what it is.
        subject: of what: an upload id, an asset, a number; never a visitor's name.
        since: since when, as far as it is known.
        detail: more of it: names of checks, the kind of an error, a time.
        run: id of the run that it is to be seen in; empty for none.
        pause: instead of the kind's own.
    """

    kind: MatterKind
    subject: str
    since: datetime
    detail: str = ""
    run: str = ""
    pause: timedelta | None = None

    @property
    def said(self) -> str:
        """Of what it is, without an upload's id."""
        return _ID.sub("an upload", self.subject)

    @property
    def mark(self) -> str:
        """By what it is known from tick to tick. It says nothing about anybody."""
        return f"{self.kind} {fingerprint(self.kind, self.subject)[:16]}"


def is_near(deadline: Deadline, now: datetime) -> bool:
    """Whether the last part of the time has begun."""
    time = deadline.replace_by - deadline.erased_at
    return now >= deadline.replace_by - time * DEADLINE_NEAR


@dataclass(frozen=True)
class Seen:
    """All that :func:`matters_of` asks.

    Attributes:
        facts, missing, chain: of the reconciliation.
        flagged: uploads that wait for a person, and since when.
        failed: runs.
        deadline: of erasures that a model in production has not followed.
        free: shares of disks that are free, 0 to 1, by the name of what is on them.
        release_pause: after so long in which something waits to be released it matters.
    """

    facts: Facts
    missing: Sequence[Missing] = ()
    chain: Chain | None = None
    flagged: Mapping[str, datetime] = field(default_factory=dict)
    failed: Sequence[FailedRun] = ()
    deadline: Deadline | None = None
    free: Mapping[str, float] = field(default_factory=dict)
    release_pause: timedelta = timedelta(days=7)


def matters_of(seen: Seen, known: Collection[str] = ()) -> tuple[Matter, ...]:
    """All that matters now.

    Args:
        seen: the facts.
        known: marks of what mattered the last time: a disk has to be better than low again.
    """
    return (*_flagged(seen), *_failed(seen), *_refused(seen), *_waiting(seen), *_rest(seen, known))


def _flagged(seen: Seen) -> Iterator[Matter]:
    for upload_id, since in seen.flagged.items():
        yield Matter("flagged", upload_id, since)


def _failed(seen: Seen) -> Iterator[Matter]:
    for one in seen.failed:
        yield Matter("failed", one.what, one.at, one.error, one.run)


def _refused(seen: Seen) -> Iterator[Matter]:
    model = seen.chain.model if seen.chain else None
    if model and model.refused:
        yield Matter("refused", model.refused, model.at)


def _waiting(seen: Seen) -> Iterator[Matter]:
    """Closed gates, what waits for too long, and what waits to be released."""
    facts = seen.facts
    closed = {need.gate for need in facts.needs if need.gate and facts.gates.get(need.gate)}
    failed = {gate: facts.gates[gate].failed for gate in closed if facts.gates[gate].failed}
    for gate, checks in failed.items():
        names = ", ".join(check.split(" ")[0] for check in checks)
        yield Matter("gate", gate.asset, facts.now, names)
    behind = {need.asset for need in facts.needs if need.gate in failed}
    late: dict[str, datetime] = {}
    for one in seen.missing:
        if one.too_long and not (one.work.kind == "make" and one.work.subject in behind):
            # Of uploads one message: a store that is away would be a message for each.
            what = "verdicts" if one.work.kind == "judge" else one.work.subject
            late[what] = min(one.since, late.get(what, one.since))
    for what, since in late.items():
        yield Matter("stuck", what, since)
    waits = [need.since for need in facts.needs if need.asset != "twin_pairs"]
    waits += [one.since for one in facts.arrivals.values() if is_waiting(one)]
    if waits:
        release = seen.chain.release if seen.chain else None
        number = f"{release.number}" if release else "0"
        yield Matter("unreleased", number, min(waits), pause=seen.release_pause)


def _rest(seen: Seen, known: Collection[str]) -> Iterator[Matter]:
    now, deadline = seen.facts.now, seen.deadline
    if deadline and is_near(deadline, now):
        detail = f"{deadline.replace_by:%Y-%m-%d %H:%M} UTC"
        yield Matter("erasure", f"{deadline.replace_by.isoformat()}", now, detail)
    for disk, free in seen.free.items():
        low = Matter("disk", disk, now, f"{free:.0%}")
        if free < (DISK_ENOUGH if low.mark in known else DISK_LOW):
            yield low
