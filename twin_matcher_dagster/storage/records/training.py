"""A model, and that a training became due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.records.parts import FileEntry
from twin_matcher_dagster.storage.records.record import Moment, Record


@dataclass(frozen=True, kw_only=True)
class TrainingDue(Record):
    """That a training became due, and why."""

    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A model that gave way to this one.

    Attributes:
        model, index: its number, and that of its index.
        dataset: fingerprint of the data that it learnt.
    """

    model: int
    index: int
    dataset: str


@dataclass(frozen=True)
class TriedShare:
    """A mean of the weights before and after a training, and how well it knows people.

    Attributes:
        share: of the weights after it, 0 to 1.
        learnt, newcomers: rank-1 of held-out photos of the people who were learnt, and of those who
            were not, 0 to 1.
        loss: cross-entropy, the mean of both kinds of people.
    """

    share: float
    learnt: float
    newcomers: float
    loss: float


@dataclass(frozen=True)
class Newcomers:
    """Celebrities who were kept out of a training, to see what it does to whoever comes later.

    Attributes:
        identities: their ids. They are in the model by the mean of their photos.
        share: of the weights after the training, in the model.
        tried: all shares that were compared.
    """

    identities: tuple[str, ...]
    share: float
    tried: tuple[TriedShare, ...]


@dataclass(frozen=True, kw_only=True)
class Model(Record):
    """A trained model.

    Attributes:
        files: of a `transformers` model folder.
        dataset: number of the version that it learnt.
        celebrities: fingerprint of the balanced celebrities in it.
        trained_at: when it was done; None where that was not noted.
        uploads: whose faces are in the weights: an erasure must know. An ancestor's are among them.
        plan: the training plan, as plain values.
        backbone: name of the backbone, and a mark of its weights.
        ancestor: number of the model that it was trained on from; None if from the backbone.
        curve: what was measured after each epoch.
        refused: the model that gave way to it last.
        newcomers: who was kept out of the training; None where nobody was.
        environment: in which it was trained: versions, devices, commit; empty where that was not
            noted.
    """

    schema: ClassVar[int] = 5

    files: tuple[FileEntry, ...]
    dataset: int
    celebrities: str
    trained_at: Moment | None
    uploads: tuple[str, ...]
    plan: Mapping[str, Any]
    backbone: str
    ancestor: int | None
    curve: tuple[Mapping[str, Any], ...]
    refused: Refused | None = None
    newcomers: Newcomers | None
    environment: Mapping[str, str]

    @property
    def backbone_name(self) -> str:
        """What the training plan was to start from, as BACKBONE names it."""
        return str(self.plan.get("backbone", ""))

    @property
    def planned_epochs(self) -> int:
        """Passes over the training split that were planned; 0 where that was not noted."""
        return int(self.plan.get("epochs", 0))

    def stands_on(self) -> Mapping[str, int]:
        """The version of the data set."""
        return {layout.DATASETS: self.dataset}
