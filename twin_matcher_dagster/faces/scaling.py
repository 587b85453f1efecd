"""Smaller pictures, quickly."""

from __future__ import annotations

import numpy as np


def by_halves(image: np.ndarray, width: float, height: float) -> np.ndarray:
    """Halve an image, again and again, as long as it stays at least so large.

    Each pixel is the mean of four. A fifth of the time of OpenCV's area average by an odd factor;
    what is left to shrink is less than a half, which two neighbours a side are enough for.

    Args:
        image: uint8 RGB [h, w, 3].
        width, height: in pixels; what the sides must not get below.
    """
    import cv2

    while True:
        half = (image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2
        if half[0] < max(2, width) or half[1] < max(2, height):
            return image
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)


def shrink(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image of this smaller size in pixels: uint8 RGB [height, width, 3]."""
    import cv2

    if image.shape[:2] == (height, width):
        return image
    nearly = by_halves(image, width, height)
    return cv2.resize(nearly, (width, height), interpolation=cv2.INTER_LINEAR)
