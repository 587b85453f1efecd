"""All trainings, side by side: what was learnt, how, where, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from twin_matcher_dagster.storage.encoding import encode
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.record import Moment, Record

TrainingOutcome = Literal["released", "refused", "waits"]
"""Of a training: it was in production, it gave way to a better one, or neither yet."""


@dataclass(frozen=True)
class LearntData:
    """What a training learnt, in figures; nobody is named.

    Attributes:
        number, fingerprint: of the version of the data set.
        celebrities: number of the balanced celebrities in it: with others the held-out faces are
            others, and figures do not compare.
        identities, users, faces: how many.
    """

    number: int
    fingerprint: str
    celebrities: int
    identities: int
    users: int
    faces: int


@dataclass(frozen=True)
class MeasuredTraining:
    """A training. It stays when its model is gone.

    Attributes:
        model, fingerprint: number and fingerprint of the model. Numbers begin anew where an erasure
            took every model.
        trained_at: when it was done; None where that was not noted.
        data: what it learnt; None where that was gone before it was looked at.
        plan: the training plan, as plain values: seed, epochs, learning rate, ...
        backbone, ancestor: what it started from, see :class:`Model`.
        epochs: how many were trained.
        environment: see :class:`Model`.
        figures: what was measured, by the name that people read: shares 0 to 1.
        outcome: what became of it.
    """

    model: int
    fingerprint: str
    trained_at: Moment | None
    data: LearntData | None
    plan: Mapping[str, Any]
    backbone: str
    ancestor: int | None
    epochs: int
    environment: Mapping[str, str]
    figures: Mapping[str, float]
    outcome: TrainingOutcome


@dataclass(frozen=True, kw_only=True)
class Leaderboard(Record):
    """All trainings, in their order. No upload is named: an erasure leaves it as it is."""

    schema: ClassVar[int] = 1

    trainings: tuple[MeasuredTraining, ...]

    @classmethod
    def of(cls, trainings: tuple[MeasuredTraining, ...]) -> Leaderboard:
        """Equal trainings have one fingerprint."""
        unmarked = cls(fingerprint="", trainings=trainings)
        return replace(unmarked, fingerprint=fingerprint(encode(unmarked.as_body()).decode()))
