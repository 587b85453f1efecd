"""What is known of what should be and of what is: plain values, all times by the store's clock."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

WorkKind = Literal["judge", "make", "check", "erase", "lease"]


class Work(NamedTuple):
    """Something that one run does.

    Attributes:
        kind: judge an upload, make an asset, look with an asset's blocking checks at what was made,
            or complete the erasures. A lease that is held is work of no run.
        subject: an upload id, or the name of an asset or of a lease.
    """

    kind: WorkKind
    subject: str


def asset_of(work: Work) -> str:
    """The asset that a run makes which does some work."""
    return "user_faces" if work.kind == "judge" else work.subject


class Content(NamedTuple):
    """What is made by an asset: its name, and the fingerprint of what it says."""

    asset: str
    version: str


@dataclass(frozen=True)
class Tries:
    """What was done about a piece of work.

    Attributes:
        made: how many runs were launched for it; none of them did it.
        seen: when the last one was launched, or was last seen queued or going on.
    """

    made: int
    seen: datetime


class FailedRun(NamedTuple):
    """That the newest run for something failed.

    Attributes:
        what: of which it was a run, as a work or the name of a job.
        run: its id.
        error: the kind of its error; nothing that an error says.
        at: when it ended.
    """

    what: str
    run: str
    error: str
    at: datetime


@dataclass(frozen=True)
class Arrival:
    """An upload that waits for its verdict.

    Attributes:
        since: when it arrived.
        committed: whether its manifest is there.
        judged: whether there is a verdict on it, with what a person decided last.
        erased: whether it was erased.
        decided: whether there is a verdict, and a decision that it does not have.
    """

    since: datetime
    committed: bool
    judged: bool
    erased: bool
    decided: bool = False


class Cause(NamedTuple):
    """Something newer than what is made of it: by which asset, since when, and what, in words."""

    asset: str
    since: datetime
    what: str


@dataclass(frozen=True)
class Need:
    """That an asset is behind what it is made of.

    Attributes:
        asset: which.
        causes: what is newer; at least one.
        gate: what has to have passed its blocking checks before; None for nothing.
        waits_for: what has to happen first that nobody can launch, in words; empty for nothing.
    """

    asset: str
    causes: tuple[Cause, ...]
    gate: Content | None = None
    waits_for: str = ""

    @property
    def since(self) -> datetime:
        """From when on it is behind."""
        return min(cause.since for cause in self.causes)

    @property
    def why(self) -> str:
        """What is newer, in words."""
        return ", ".join(cause.what for cause in self.causes)


@dataclass(frozen=True)
class GateState:
    """What the blocking checks said of one version of an asset.

    Attributes:
        unchecked: names of the checks that have not looked at it.
        failed: names of those that it did not pass, with what they say.
    """

    unchecked: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether all of them looked at it, and it passed."""
        return not self.unchecked and not self.failed


@dataclass(frozen=True)
class Facts:
    """All that :func:`~.missing.what_is_missing` asks.

    Attributes:
        now: the store's clock.
        arrivals: uploads that wait for a verdict, by id.
        needs: assets that are behind.
        gates: for each need's gate what the checks said; one that is not here is open.
        erased_since: when the newest erasure began that is not complete yet; None if all are.
        live: work that a run is queued for, or does.
        busy: by asset when a run that made it was last seen: what it made is in the bucket before
            the run has ended.
        tries: what was done about a piece of work so far.
        leases: those that are held, by key, and since when.
    """

    now: datetime
    arrivals: Mapping[str, Arrival] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    gates: Mapping[Content, GateState] = field(default_factory=dict)
    erased_since: datetime | None = None
    live: Set[Work] = frozenset()
    busy: Mapping[str, datetime] = field(default_factory=dict)
    tries: Mapping[Work, Tries] = field(default_factory=dict)
    leases: Mapping[str, datetime] = field(default_factory=dict)
