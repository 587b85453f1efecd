"""The parts of an aligned face: which pixels they are, and how one is covered.

An aligned crop has its eyes, nose and mouth at fixed places (``alignment``), so parts are fixed
masks. All have the same number of pixels: the more is covered, the less is left to compare.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

import numpy as np

from twin_matcher_dagster.faces.alignment import FACE_SIZE

PARTS = ("eyes and brows", "nose", "mouth", "jaw", "outline")
PART_PIXELS = 1800
"""Of each part: 7% of a crop, about what a nose takes."""

# What the likeness network sees of a crop, in pixels: its chip begins below the upper edge.
_LEFT, _TOP = 8, 32
_MIDDLE = 80.0
_EDGE = 3.0
_DIMMED = 0.3


@lru_cache(maxsize=1)
def part_masks() -> Mapping[str, np.ndarray]:
    """Part -> bool [160, 160]; no pixel is in two of them, and both halves mirror one another."""
    y, x = np.mgrid[:FACE_SIZE, : FACE_SIZE // 2] + 0.5
    aside = _MIDDLE - x
    # Along the ellipse of the head: 1 where forehead, cheeks and jaw end.
    rim = np.hypot(aside / 54, (y - 95) / 66)
    # How far a pixel is from the middle of each part. What two parts want, the first one has.
    distances = {
        "eyes and brows": np.hypot((aside - 25) / 20, (y - 67) / 14),
        "nose": np.hypot(aside / 20, (y - 98) / 28),
        "mouth": np.hypot(aside / 32, (y - 132) / 17),
        "jaw": np.abs(rim - 0.97) + np.maximum(0, 118 - y),
        "outline": np.abs(rim - 1.0) + np.maximum(0, y - 118),
    }
    free = (y > _TOP) & (x > _LEFT)
    masks = {}
    for part in PARTS:
        order = np.argsort(np.where(free, distances[part], np.inf), axis=None, kind="stable")
        half = np.zeros(free.shape, bool)
        half.ravel()[order[: PART_PIXELS // 2]] = True
        free &= ~half
        masks[part] = np.concatenate([half, half[:, ::-1]], 1)
    return masks


def covered(crop: np.ndarray, part: str, average: np.ndarray) -> np.ndarray:
    """A crop with an average face's part instead of its own, in its own colour and contrast.

    Args:
        crop: uint8 RGB [160, 160, 3].
        part: one of :data:`PARTS`.
        average: float [160, 160, 3], the mean of many crops.
    """
    own, others = (face[_TOP:, _LEFT:-_LEFT].reshape(-1, 3) for face in (crop, average))
    shade = (average - others.mean(0)) * float(own.std() / max(others.std(), 1e-6)) + own.mean(0)
    weight = _soft(part_masks()[part])
    return np.rint(crop * (1 - weight) + np.clip(shade, 0, 255) * weight).astype(np.uint8)


def highlighted(crop: np.ndarray, parts: Collection[str]) -> np.ndarray:
    """A crop with some of its parts as they are and the rest dimmed: uint8 RGB [160, 160, 3]."""
    weight = _soft(np.any([part_masks()[part] for part in parts], axis=0)) if parts else 0.0
    return np.rint(crop * (_DIMMED + (1 - _DIMMED) * weight)).astype(np.uint8)


def _soft(mask: np.ndarray) -> np.ndarray:
    """A mask with soft edges, float32 [160, 160, 1]: a sharp one is a line to a network."""
    import cv2

    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _EDGE)[..., None]
