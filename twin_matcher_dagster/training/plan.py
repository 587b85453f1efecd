"""How a training is to go: what is asked of the network, for how long, on which faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_matcher_dagster.settings import SMALL_BACKBONE

if TYPE_CHECKING:
    import torch

    from twin_matcher_dagster.recognition.preprocessing import Preprocessing

_BATCH = 64


@dataclass(frozen=True)
class Objective:
    """What is asked of the embedding.

    Attributes:
        margin: how much nearer than others its own row must be, a cosine.
        scale: of cosines to logits.
        smoothing: share of the target spread over all classes (Szegedy et al. 2016).
        distillation: weight of the teacher's cosine beside the cross-entropy.
    """

    margin: float = 0.0
    scale: float = 16.0
    smoothing: float = 0.05
    distillation: float = 6.0


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        backbone: what to start from, see :func:`~.backbone.load_backbone`.
        epochs: passes over the training split.
        batch_size: faces a step and device, at most; fewer where an epoch would have under 8 steps.
        frozen_stages: how many stages of a ResNet, after its stem, stay as they are where it was
            trained on faces before, which its neck tells. Of another backbone all are trained.
        learning_rate: peak of the cosine schedule, for AdamW.
        objective: what is asked of the embedding.
        ema: of the mean of weights that is validated and saved, 0 to 1: how slowly it follows.
        patience: epochs without a better validation accuracy after which training ends; None to
            see the schedule through. It needs checkpoints, to go back to the best one.
        newcomers: share of the celebrities who are kept out, 0 to 1, see
            :func:`~.newcomers.without_newcomers`.
        seed: fixes initial weights, order, augmentation and who is kept out.
    """

    backbone: str = SMALL_BACKBONE
    epochs: int = 20
    batch_size: int = 32
    frozen_stages: int = 2
    learning_rate: float = 3e-3
    objective: Objective = field(default_factory=Objective)
    ema: float = 0.99
    patience: int | None = None
    newcomers: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class LabelledFaces:
    """Decoded faces of one split.

    Attributes:
        images: uint8 RGB [n, side, side, 3].
        classes: int64 [n].
        teacher: float32 [n, 128], what the reference recogniser says of them; None if unknown.
    """

    images: np.ndarray
    classes: np.ndarray
    teacher: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def where(self, chosen: np.ndarray) -> LabelledFaces:
        """Some of them.

        Args:
            chosen: bool [n], or int64 [m], positions.
        """
        teacher = None if self.teacher is None else self.teacher[chosen]
        return LabelledFaces(self.images[chosen], self.classes[chosen], teacher)

    def prepared(
        self, preprocessing: Preprocessing, device: str
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Pixels and classes as a network takes them, as they are, in batches.

        Args:
            preprocessing: the network's.
            device: where they go.
        """
        import torch

        for first in range(0, len(self), _BATCH):
            part = slice(first, first + _BATCH)
            pixels, classes = preprocessing(self.images[part]), self.classes[part]
            yield pixels.to(device), torch.from_numpy(classes).to(device)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Any]:
        """A batch at once: nothing is done face by face."""
        import torch

        batch = {"images": self.images[indices], "labels": self.classes[indices]}
        if self.teacher is not None:
            batch["teacher"] = self.teacher[indices]
        return {name: torch.from_numpy(values) for name, values in batch.items()}
