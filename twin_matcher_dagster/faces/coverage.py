"""Did the head turn to both sides, and is it a head at all?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.faces.alignment import similarity_transform

WANTED_YAW = 18.0
"""Degrees to either side that a clip should reach; half a profile is about 45."""

# Landmarks of a rigid flat picture move by rotation, scale and shift alone (and a little
# perspective); those of a head that turns or speaks do not. In distances between the eyes.
FLAT_RESIDUAL = 0.02


@dataclass(frozen=True)
class Coverage:
    """How far a head turned.

    Attributes:
        left, right: furthest yaw in degrees to the left and to the right of the image, both
            positive; 0 where there was none.
        missing: what to do about it, in the person's own words of left and right as a mirror
            shows them; empty when both sides were shown.
    """

    left: float
    right: float
    missing: Sequence[str]

    @property
    def share(self) -> float:
        """How much of the wanted turn was shown, 0 to 1."""
        return (min(self.left, WANTED_YAW) + min(self.right, WANTED_YAW)) / (2 * WANTED_YAW)


def coverage_of(yaws: Sequence[float]) -> Coverage:
    """What a series of yaw angles (degrees, positive to the right of the image) covers."""
    left = max(0.0, -min(yaws, default=0.0))
    right = max(0.0, max(yaws, default=0.0))
    missing = []
    for side, reached in (("left", left), ("right", right)):
        if reached < WANTED_YAW:
            much = "a little more" if reached > WANTED_YAW / 2 else "slowly"
            missing.append(f"Turn your head {much} to the {side} of the picture.")
    return Coverage(left, right, tuple(missing))


def looks_flat(landmarks: Sequence[np.ndarray]) -> bool:
    """A hint that a face is a picture of a face: five points that never move against one another.

    No pose change, no blink and no word moves them. It is a hint and no proof: a person who sits
    perfectly still looks the same, and a film of a person on a screen does not.

    Args:
        landmarks: float [5, 2] in pixels, of each frame in order.
    """
    if len(landmarks) < 10:
        return False
    shown_points = np.stack(landmarks).astype(np.float64)
    # All in one place first: the middle of shapes that were moved and turned is no such shape.
    points = np.stack([_moved(shown, shown_points[0]) for shown in shown_points])
    middle = np.median(points, 0)
    scale = float(np.hypot(*(middle[1] - middle[0]))) or 1.0
    residuals = []
    for shown in points:
        residuals.append(np.abs(_moved(shown, middle) - middle).mean() / scale)
    return float(np.quantile(residuals, 0.9)) < FLAT_RESIDUAL


def _moved(shown: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Five points brought as near to others as rotation, scale and shift can."""
    return np.c_[shown, np.ones(5)] @ similarity_transform(shown, target).T
