"""Face crops as network input, in batches of tensors.

The same resize, centre crop and normalisation as the image processor that is saved with the model
(ConvNextImageProcessor), on whole batches; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

BILINEAR = 2
"""As Pillow and image processors count."""


@dataclass(frozen=True)
class Preprocessing:
    """Geometry and statistics of a network's input.

    Attributes:
        size: side of the square input in pixels.
        crop_share: share of the resized image that the centre crop keeps, 0 to 1.
        mean, std: per channel, of values in 0..1.
        bilinear: whether resizing is bilinear; it is bicubic otherwise.
    """

    size: int
    crop_share: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bilinear: bool = False

    @classmethod
    def of(cls, processor: Any) -> Preprocessing:
        """Read them off an image processor."""
        size = int(processor.size.get("shortest_edge") or processor.size["height"])
        crop_share = 1.0
        # ConvNextImageProcessor crops below 384 pixels only.
        if getattr(processor, "crop_pct", None):
            crop_share = float(processor.crop_pct) if size < 384 else 1.0
        elif getattr(processor, "do_center_crop", None):
            # A trifle more, so that dividing by it gives at least the size again.
            resized, size = size, int(processor.crop_size["height"])
            crop_share = size / (resized + 1e-6)
        means, deviations = list(processor.image_mean), list(processor.image_std)
        bilinear = getattr(processor, "resample", None) == BILINEAR
        return cls(size, crop_share, tuple(means), tuple(deviations), bilinear)

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
                batch,
                size=(resized, resized),
                mode="bilinear" if self.bilinear else "bicubic",
                antialias=True,
            ).clamp(0, 1)
        edge = (resized - self.size) // 2
        batch = batch[:, :, edge : edge + self.size, edge : edge + self.size]
        mean, std = (
            torch.tensor(v, device=batch.device).view(1, 3, 1, 1) for v in (self.mean, self.std)
        )
        return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)

    def resizing(self, side: int) -> torch.Tensor:
        """Resize and crop of one axis as a matrix: float32 [size, side].

        Args:
            side: of the square images that are to be prepared.
        """
        import torch
        from torch.nn import functional

        resized = int(self.size / self.crop_share)
        matrix = torch.eye(side)
        if resized != side:
            mode = "bilinear" if self.bilinear else "bicubic"
            matrix = functional.interpolate(
                matrix[None, None], size=(resized, side), mode=mode, antialias=True
            )[0, 0]
        edge = (resized - self.size) // 2
        return matrix[edge : edge + self.size].contiguous()

    def shrink(self, faces: np.ndarray) -> np.ndarray:
        """Faces in the size that the network looks at, once and for all, as bytes.

        Args:
            faces: uint8 RGB [n, height, width, 3].

        Returns:
            uint8 RGB [n, side, side, 3]; what is in that size already, or smaller, is left.
        """
        from PIL import Image

        side = int(self.size / self.crop_share)
        if not len(faces) or faces.shape[1] <= side:
            return faces
        # As the image processor does it.
        how = Image.Resampling.BILINEAR if self.bilinear else Image.Resampling.BICUBIC
        return np.stack([np.asarray(Image.fromarray(f).resize((side, side), how)) for f in faces])
