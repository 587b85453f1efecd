"""Face crops as network input, in batches of tensors.

The same resize, centre crop and normalisation as the image processor that is saved with the model
(ConvNextImageProcessor), on whole batches; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from transformers import ConvNextImageProcessorPil


@dataclass(frozen=True)
class Preprocessing:
    """Geometry and statistics of a network's input.

    Attributes:
        size: side of the square input in pixels.
        crop_share: share of the resized image that the centre crop keeps, 0 to 1.
        mean, std: per channel, of values in 0..1.
    """

    size: int
    crop_share: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, processor: ConvNextImageProcessorPil) -> Preprocessing:
        """Read them off an image processor."""
        size = int(processor.size["shortest_edge"])
        # ConvNextImageProcessor crops below 384 pixels only.
        crop_share = float(processor.crop_pct) if size < 384 else 1.0
        means, deviations = list(processor.image_mean), list(processor.image_std)
        return cls(size, crop_share, tuple(means), tuple(deviations))

    def __call__(self, faces: torch.Tensor | np.ndarray) -> torch.Tensor:
        """Prepare a batch.

        Args:
            faces: uint8 RGB [n, height, width, 3].

        Returns:
            float32 [n, 3, size, size], channels last in memory.
        """
        import torch
        from torch.nn import functional

        batch = torch.as_tensor(faces).permute(0, 3, 1, 2).float() / 255
        resized = int(self.size / self.crop_share)
        if batch.shape[-2:] != (resized, resized):
            batch = functional.interpolate(
                batch, size=(resized, resized), mode="bicubic", antialias=True
            ).clamp(0, 1)
        edge = (resized - self.size) // 2
        batch = batch[:, :, edge : edge + self.size, edge : edge + self.size]
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)


def augment(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Vary a prepared batch: mirror, shift, scale, turn, and light it otherwise.

    Args:
        batch: float32 [n, 3, size, size], normalised.
        generator: source of randomness, for repeatable runs.

    Returns:
        the same shape.
    """
    import torch
    from torch.nn import functional

    count = len(batch)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle, scale = uniform(-0.2, 0.2), uniform(0.85, 1.15)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, uniform(-0.1, 0.1)], 1),
            torch.stack([sin * mirror, cos, uniform(-0.1, 0.1)], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, list(batch.shape), align_corners=False)
    batch = functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
    return _relight(batch, uniform).contiguous(memory_format=torch.channels_last)


def _relight(batch: torch.Tensor, uniform: Callable[[float, float], torch.Tensor]) -> torch.Tensor:
    """Other light on the same faces: one clip shows a person in one light only.

    Exposure, contrast, colour of the light, a side that is brighter, and now and then no colour.
    """
    import torch

    size = batch.shape[-1]
    contrast, exposure = uniform(0.6, 1.4), uniform(-0.4, 0.4)
    tint = torch.stack([uniform(-0.2, 0.2) for _ in range(3)], 1)
    ramp = torch.linspace(-1, 1, size)
    across, down = uniform(-0.4, 0.4), uniform(-0.4, 0.4)
    side = across.view(-1, 1, 1) * ramp.view(1, 1, -1) + down.view(-1, 1, 1) * ramp.view(1, -1, 1)
    light = (exposure.view(-1, 1) + tint).view(-1, 3, 1, 1) + side.unsqueeze(1)
    batch = batch * contrast.view(-1, 1, 1, 1) + light
    grey = (uniform(0, 1) < 0.2).view(-1, 1, 1, 1)
    return torch.where(grey, batch.mean(1, keepdim=True), batch)
