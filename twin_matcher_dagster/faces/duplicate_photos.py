"""Is it the same photo again: resized, compressed, mirrored, cropped a little differently?

Photos of one person that were taken at one moment look alike too, so pictures are laid onto one
another before they are compared: what is left then is the picture itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

SAME_PHOTO = 0.97
"""Correlation above which two crops are one photo. Copies at half the size, mirrored, compressed at
quality 30 or cropped by 8% were above it in 98% of real photos of 160 pixels; of 3,000 pairs of
different people none was above 0.93."""

# Pairs below are not looked at closely: cosine of the recogniser's vectors and correlation of small
# pictures together (46 of 48 copies at half the size were above), or that correlation alone.
_ALIKE = 1.5
_ALIKE_COARSE = 0.7
_SIDE = 48
_COARSE = 16
_BLOCK = 1024
# The map is found after a few steps; 25 gave the same pairs.
_STEPS = 4
# How far two crops of one face may lie apart: landmarks are right to a few pixels.
_MAX_SCALE = 1.35
_MAX_SHIFT = 0.2


@dataclass(frozen=True)
class PhotoGroups:
    """Which crops are one photo.

    Attributes:
        numbers: int64 [n], the same for all crops of one photo.
        values: float32 [n], how well a crop correlates with the nearest of its photo's others, 0 to
            1; 0 where it is the only one.
    """

    numbers: np.ndarray
    values: np.ndarray


def thumbnail(crop: np.ndarray) -> np.ndarray:
    """What is compared of a crop: small, grey, without slow changes of light.

    Args:
        crop: uint8 RGB [160, 160, 3], aligned.

    Returns:
        float32 [48, 48].
    """
    import cv2

    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), 1.0)
    return small - cv2.GaussianBlur(small, (0, 0), 6.0)


def same_photos(
    thumbnails: np.ndarray,
    vectors: np.ndarray,
    limit: float = SAME_PHOTO,
    progress: Callable[[float], None] = lambda share: None,
) -> PhotoGroups:
    """Group crops by photo: pairs that are one photo are joined (union-find).

    Args:
        thumbnails: float32 [n, 48, 48], see :func:`thumbnail`.
        vectors: float32 [n, 128], unit vectors of the reference recogniser.
        limit: correlation that a pair has to reach.
        progress: called with the share that is done, 0 to 1.
    """
    numbers = np.arange(len(vectors))
    values = np.zeros(len(vectors), np.float32)
    for one, other, mirrored in _candidates(thumbnails, vectors, progress):
        if numbers[one] == numbers[other]:
            continue
        value = _correlation(thumbnails[one], thumbnails[other], mirrored)
        if value >= limit:
            pair = [one, other]
            values[pair] = np.maximum(values[pair], value)
            low, high = sorted(numbers[pair])
            numbers[numbers == high] = low
    return PhotoGroups(numbers, values)


def copies_between(
    ones: np.ndarray, others: np.ndarray, limit: float = SAME_PHOTO
) -> list[tuple[int, int, float]]:
    """All pairs of one photo between two sets of crops, by the pictures alone.

    Args:
        ones, others: float32 [n, 48, 48] and [m, 48, 48], see :func:`thumbnail`.
        limit: correlation that a pair has to reach.

    Returns:
        Position in each set, and the correlation.
    """
    found = []
    for start in range(0, len(ones), _BLOCK):
        block = ones[start : start + _BLOCK]
        as_is, mirrored = _coarse_correlations(block, others)
        for row, column in np.argwhere(np.maximum(as_is, mirrored) > _ALIKE_COARSE):
            turn = mirrored[row, column] > as_is[row, column]
            value = _correlation(block[row], others[column], turn)
            if value >= limit:
                found.append((start + int(row), int(column), value))
    return found


def _candidates(
    thumbnails: np.ndarray, vectors: np.ndarray, progress: Callable[[float], None]
) -> Iterator[tuple[int, int, bool]]:
    """Pairs that may be one photo, and whether mirrored; of each block the most alike first."""
    for start in range(0, len(vectors), _BLOCK):
        progress(start / len(vectors))
        block = slice(start, start + _BLOCK)
        as_is, mirrored = _coarse_correlations(thumbnails[block], thumbnails[start:])
        alike = np.maximum(as_is, mirrored)
        near = vectors[block] @ vectors[start:].T + alike > _ALIKE
        rows, columns = np.nonzero(np.triu(near, 1))
        for i in np.argsort(-alike[rows, columns], kind="stable"):
            row, column = int(rows[i]), int(columns[i])
            yield start + row, start + column, bool(mirrored[row, column] > as_is[row, column])
    progress(1.0)


def _coarse_correlations(ones: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of 16 x 16 pictures, as they are and with the others mirrored: [n, m] each."""
    first, second = _coarse(ones), _coarse(others)
    flat, plain, turned = (
        part.reshape(len(part), _COARSE**2) for part in (first, second, second[:, :, ::-1])
    )
    return flat @ plain.T, flat @ turned.T


def _coarse(thumbnails: np.ndarray) -> np.ndarray:
    step = _SIDE // _COARSE
    coarse = thumbnails.reshape(-1, _COARSE, step, _COARSE, step).mean((2, 4))
    return coarse / np.maximum(np.linalg.norm(coarse, axis=(1, 2), keepdims=True), 1e-9)


def _correlation(one: np.ndarray, other: np.ndarray, mirrored: bool) -> float:
    return registered_correlation(one, np.ascontiguousarray(other[:, ::-1] if mirrored else other))


def registered_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two thumbnails once the best affine map has laid one onto the other.

    The map maximises the enhanced correlation coefficient (Evangelidis & Psarakis 2008).

    Returns:
        0 to 1; 0 where no map of the size of an inexact crop makes them alike.
    """
    import cv2

    rim = _SIDE // 12
    middle = np.zeros((_SIDE, _SIDE), np.uint8)
    middle[rim:-rim, rim:-rim] = 1
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, 1e-3)
    try:
        value, found = cv2.findTransformECC(
            one, other, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, stop, middle, 1
        )
    except cv2.error:  # it did not converge
        return 0.0
    scales = np.linalg.svd(found[:, :2], compute_uv=False)
    centre = np.full(2, (_SIDE - 1) / 2)
    shift = np.abs(found[:, :2] @ centre + found[:, 2] - centre).max() / _SIDE
    small = scales.max() < _MAX_SCALE and scales.min() > 1 / _MAX_SCALE and shift < _MAX_SHIFT
    return float(np.clip(value, 0, 1)) if small else 0.0
