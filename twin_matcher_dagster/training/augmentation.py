"""Prepared faces, varied: one clip or photo shows a person in one place and one light only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


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
        share = torch.rand(count, generator=generator, device=batch.device)
        return share * (high - low) + low

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
    ramp = torch.linspace(-1, 1, size, device=batch.device)
    across, down = uniform(-0.4, 0.4), uniform(-0.4, 0.4)
    side = across.view(-1, 1, 1) * ramp.view(1, 1, -1) + down.view(-1, 1, 1) * ramp.view(1, -1, 1)
    light = (exposure.view(-1, 1) + tint).view(-1, 3, 1, 1) + side.unsqueeze(1)
    batch = batch * contrast.view(-1, 1, 1, 1) + light
    grey = (uniform(0, 1) < 0.2).view(-1, 1, 1, 1)
    return torch.where(grey, batch.mean(1, keepdim=True), batch)
