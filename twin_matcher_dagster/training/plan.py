"""How a training is to go: what is asked of the network, for how long, on which faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twin_matcher_dagster.settings import SMALL_BACKBONE


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
        seed: fixes initial weights, order and augmentation.
    """

    backbone: str = SMALL_BACKBONE
    epochs: int = 20
    batch_size: int = 32
    frozen_stages: int = 2
    learning_rate: float = 3e-3
    objective: Objective = field(default_factory=Objective)
    ema: float = 0.99
    patience: int | None = None
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

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Any]:
        """A batch at once: nothing is done face by face."""
        import torch

        batch = {"images": self.images[indices], "labels": self.classes[indices]}
        if self.teacher is not None:
            batch["teacher"] = self.teacher[indices]
        return {name: torch.from_numpy(values) for name, values in batch.items()}
