"""What the Trainer trains: the network, its objective, and the mean of its recent weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from twin_matcher_dagster.recognition.network import TEACHER_DIMENSIONS, TwinNet
from twin_matcher_dagster.training.augmentation import augment
from twin_matcher_dagster.training.plan import Objective

# More than an epoch has of the one, and a training of the other.
_STEPS, _PROCESSES = 10**7, 64


class Learner(nn.Module):
    """What the Trainer trains: a :class:`TwinNet`, and the mean of its recent weights.

    The mean (EMA, Polyak & Juditsky 1992) is what is validated and saved. It begins quickly, so
    that a short training is not dominated by its first steps.
    """

    centre: torch.Tensor

    def __init__(
        self,
        net: TwinNet,
        objective: Objective,
        decay: float,
        seed: int,
        centre: torch.Tensor | None = None,
        process: int = 0,
    ) -> None:
        """Make one.

        Args:
            net: what is trained.
            objective: what is asked of it.
            decay: of the mean of weights, 0 to 1.
            seed: of the augmentation.
            centre: float32 [128], the mean of the recogniser's vectors; none where there are none.
            process: which one of those that train together, from 0.
        """
        super().__init__()
        self.net = net
        self.objective = objective
        self.register_buffer(
            "centre", torch.zeros(TEACHER_DIMENSIONS) if centre is None else centre
        )

        def follow(mean: Any, now: Any, count: Any) -> None:
            share = 1 - min(decay, (1 + float(count)) / (10 + float(count)))
            for old, new in zip(mean, now, strict=True):
                if old.is_floating_point():
                    old.lerp_(new, share)
                else:
                    old.copy_(new)  # how many batches BatchNorm saw

        self.average = AveragedModel(net, multi_avg_fn=follow, use_buffers=True)
        self.average.requires_grad_(False)
        self._seed, self._steps, self._process = seed, 0, process

    def forward(
        self, images: torch.Tensor, labels: torch.Tensor, teacher: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Loss and logits of a batch.

        Args:
            images: uint8 RGB [n, height, width, 3].
            labels: int64 [n].
            teacher: float32 [n, 128], the reference recogniser's vectors.
        """
        net: Any = self.net if self.training else self.average.module
        pixels = self.net.preprocessing(images)
        if self.training:
            pixels = augment(pixels, self._random(pixels.device))
        normal = net.neck(net.features(pixels))
        cosines = functional.linear(
            functional.normalize(normal, dim=1), functional.normalize(net.head.weight, dim=1)
        )
        aim = self.objective
        margin = aim.margin * functional.one_hot(labels, cosines.shape[1]) if self.training else 0
        loss = functional.cross_entropy(
            aim.scale * (cosines - margin), labels, label_smoothing=aim.smoothing
        )
        if teacher is not None and aim.distillation:
            loss = (
                loss
                + aim.distillation
                * net.distillation_loss(normal, centred(teacher, self.centre)).mean()
            )
        return {"loss": loss, "logits": aim.scale * cosines}

    def begin(self, seed: int) -> None:
        """Before an epoch, which draws the same whether the ones before ran just now or not."""
        self._seed, self._steps = seed, 0

    def _random(self, device: torch.device) -> torch.Generator:
        """Where the augmentation's randomness comes from; on the device that the faces are on.

        Of each step and process its own.
        """
        of_step = (_STEPS * self._seed + self._steps) * _PROCESSES + self._process
        return torch.Generator(device).manual_seed(of_step % 2**63)

    def step(self) -> None:
        """After a step of the optimizer: take the new weights into the mean."""
        self._steps += 1
        self.average.update_parameters(self.net)


def centred(vectors: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    """Vectors without what they all have in common, at unit length: float [n, dimensions]."""
    return functional.normalize(vectors - centre, dim=1)
