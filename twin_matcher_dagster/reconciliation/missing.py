"""What is missing, since when, why, and when it is tried next: one pure function.

It is asked at every tick and remembers nothing itself, so an event that was lost, a run that
vanished and a daemon that was killed are one case: something should be and is not. What fails is
tried again with exponential back-off up to a longest pause, and never given up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from twin_matcher_dagster.reconciliation.facts import (
    Arrival,
    Cause,
    Content,
    Facts,
    GateState,
    Need,
    Work,
    asset_of,
)

WorkState = Literal["due", "going on", "held up"]


@dataclass(frozen=True)
class Backoff:
    """Pauses between tries: ``first``, twice as long each time, at most ``longest``."""

    first: timedelta
    longest: timedelta

    def pause(self, tries: int) -> timedelta:
        """The pause after so many tries; none before the first."""
        if tries < 1:
            return timedelta(0)
        return min(self.longest, self.first * 2 ** min(tries - 1, 32))


LIGHT = Backoff(timedelta(seconds=30), timedelta(minutes=15))
"""Of what takes seconds. Dagster's own retry of a run that was cut off comes within these."""
HEAVY = Backoff(timedelta(minutes=5), timedelta(days=1))
"""Of what takes minutes to hours. A training that failed by itself most likely fails again."""
INPUTS = {
    "balanced_faces": ("raw_faces",),
    "twin_dataset": ("balanced_faces", "user_faces", "erasures"),
    "retraining": ("twin_dataset", "erasures"),
    "twin_model": ("twin_dataset", "retraining"),
    "face_index": ("twin_dataset", "twin_model"),
    "production_release": ("face_index",),
    "twin_pairs": ("production_release",),
}
"""What each asset is made of."""
_HEAVY_ASSETS = frozenset({"balanced_faces", "twin_model"})

AUTOMATION_FIRST = timedelta(seconds=30)
"""The automation asks for what changed within two of its ticks of 5 seconds."""
LONGEST_BATCH, LONGEST_CROWD = timedelta(minutes=10), timedelta(hours=1)
"""Accepted uploads wait for others that are being judged, to be released together, so long; and for
a crowd so long, once some of it are in the data set. Five hundred uploads within a minute take two
cores an hour: their first release comes after ten minutes, the next when all are judged."""

_LOOKING = timedelta(minutes=1)
"""What was noted while the sensor looked, which takes seconds, is later than its now."""

LIMITS = {
    "check": timedelta(minutes=10),
    "judge": timedelta(minutes=30),
    "make": timedelta(minutes=30),
    "erase": timedelta(hours=1),
    "lease": timedelta(minutes=10),
}
"""From when on an operator is shown that something waits too long. A gate may be closed for ten
minutes; an upload is judged in 15 seconds, a release made in half a minute (``make demo``). A lease
is held for seconds; one whose holder was killed is let go after half a minute."""
_HEAVY_LIMIT = timedelta(hours=12)


@dataclass(frozen=True)
class Missing:
    """Something that should be and is not.

    Attributes:
        work: what a run has to do.
        since: from when on it is missing.
        why: what is to be seen of it, in words.
        state: due: launched at ``due``; going on: a run does it; held up: something else is first.
        due: when it is launched next; None where it is not ``due``.
        tries: how many runs were launched for it in vain.
        too_long: whether it has been missing for longer than its limit.
    """

    work: Work
    since: datetime
    why: str
    state: WorkState
    due: datetime | None
    tries: int
    too_long: bool


def what_is_missing(facts: Facts) -> tuple[Missing, ...]:
    """Compare what should be with what is.

    Every committed upload has a verdict, or a tombstone, or waits here; every asset is of the
    newest of what it is made of, or waits here; so does every erasure that is not complete. What a
    run is doing already is not due.
    """
    return tuple(
        sorted(
            [
                *_uploads(facts),
                *_assets(facts),
                *_checks(facts),
                *_erasures(facts),
                *_leases(facts),
            ],
            # What failed before stands behind what was never tried: it holds up nobody else.
            key=lambda one: (one.tries, one.since, one.work),
        )
    )


def _uploads(facts: Facts) -> Iterator[Missing]:
    for upload_id, arrival in facts.arrivals.items():
        if is_waiting(arrival):
            since, why = arrival.since, "there is no verdict"
            if arrival.decided:
                why = "the verdict does not have what a person decided"
            yield _missing(facts, Work("judge", upload_id), since, why, since)


def is_waiting(arrival: Arrival) -> bool:
    """Whether an upload has neither a verdict nor a tombstone."""
    return arrival.committed and not arrival.judged and not arrival.erased


def _assets(facts: Facts) -> Iterator[Missing]:
    for need in facts.needs:
        work = Work("make", need.asset)
        gate = facts.gates.get(need.gate, GateState()) if need.gate else GateState()
        if need.waits_for:
            yield _held_up(facts, work, need, need.waits_for, _HEAVY_LIMIT)
        elif gate.failed:
            yield _held_up(facts, work, need, "; ".join(gate.failed), LIMITS["check"])
        elif need.gate and gate.unchecked:
            yield _held_up(facts, work, need, _not_looked(need.gate, gate), LIMITS["check"])
        else:
            start = _start(facts, need.causes, INPUTS[need.asset])
            yield _missing(facts, work, need.since, need.why, start)


def _checks(facts: Facts) -> Iterator[Missing]:
    """What assets wait for at a gate: once, however many of them wait there."""
    waiting: dict[Content, datetime] = {}
    for need in facts.needs:
        gate = facts.gates.get(need.gate, GateState()) if need.gate else GateState()
        if need.gate and gate.unchecked and not gate.failed and not need.waits_for:
            waiting[need.gate] = min(need.since, waiting.get(need.gate, need.since))
    for content, since in waiting.items():
        made, why = content.asset, _not_looked(content, facts.gates[content])
        # The run that makes the asset brings its checks along.
        start = _start(facts, [Cause(made, since, why)], [made])
        yield _missing(facts, Work("check", made), since, why, start)


def _not_looked(content: Content, gate: GateState) -> str:
    return f"{', '.join(gate.unchecked)} did not look at the newest {content.asset}"


def _start(facts: Facts, causes: Collection[Cause], inputs: Collection[str]) -> datetime | None:
    """From when on something is launched here, if nobody else did; None while it is no use.

    The automation asks when the run that made the last input has ended: what a run made is in the
    bucket before that. It waits for uploads that are being judged; here that is not for ever.
    """
    running = {asset_of(work) for work in facts.live}
    if "user_faces" in inputs and "user_faces" in running:
        return _after(min(cause.since for cause in causes), _batch(facts), facts.now)
    made = [cause.since for cause in causes if cause.asset not in running]
    if not made:
        return None
    ended = [facts.busy[one] for one in inputs if one in facts.busy and one not in running]
    return _after(max([min(made), *ended]), AUTOMATION_FIRST, facts.now)


def _batch(facts: Facts) -> timedelta:
    """How long the accepted wait for those who are being judged."""
    came = [one.since for one in facts.arrivals.values() if is_waiting(one)]
    made = facts.busy.get("twin_dataset")
    # Who waits longest was there already when the data set was made last.
    return LONGEST_CROWD if came and made and min(came) < made else LONGEST_BATCH


def _erasures(facts: Facts) -> Iterator[Missing]:
    if facts.erased_since is not None:
        since, why = facts.erased_since, "an erasure is not complete"
        yield _missing(facts, Work("erase", "erasures"), since, why, since)


def _leases(facts: Facts) -> Iterator[Missing]:
    for name, since in facts.leases.items():
        if facts.now - since > LIMITS["lease"]:
            why = "it is held by one process for long, and others wait for it"
            yield Missing(Work("lease", name), since, why, "going on", None, 0, too_long=True)


def _missing(
    facts: Facts,
    work: Work,
    since: datetime,
    why: str,
    start: datetime | None,
) -> Missing:
    """Work that is launched from its start on, and again after each pause; without a start what it
    is made of is being made at the moment."""
    tried = facts.tries.get(work)
    tries = tried.made if tried else 0
    heavy = work.kind == "make" and work.subject in _HEAVY_ASSETS
    too_long = facts.now - since > (_HEAVY_LIMIT if heavy else LIMITS[work.kind])
    if work in facts.live or start is None:
        return Missing(work, since, why, "going on", None, tries, too_long)
    due = start
    if tried:
        due = max(start, _after(tried.seen, (HEAVY if heavy else LIGHT).pause(tries), facts.now))
    return Missing(work, since, why, "due", due, tries, too_long)


def _after(moment: datetime, pause: timedelta, now: datetime) -> datetime:
    """A moment of the future was noted while the store's clock was ahead: it is not waited for."""
    return now if moment > now + _LOOKING else moment + pause


def _held_up(facts: Facts, work: Work, need: Need, by: str, limit: timedelta) -> Missing:
    tried = facts.tries.get(work)
    too_long = facts.now - need.since > limit
    why, tries = f"{need.why}; held up: {by}", tried.made if tried else 0
    return Missing(work, need.since, why, "held up", None, tries, too_long)
