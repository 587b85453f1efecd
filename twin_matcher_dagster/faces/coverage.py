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

PLANAR_RESIDUAL = 0.02
"""What moves a flat picture that is turned is nearly an affine map; what moves a head that turns or
speaks is none. In distances between the eyes, of landmarks found in crops of 160 pixels: 60 photos
turned by up to 35 degrees stayed below 0.018, of 12 clips 11 were at 0.03 and above, and one of
somebody who hardly moves at 0.01. Of landmarks in whole frames both are nearer together."""


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
    points, middle, scale = _laid_together(landmarks)
    residuals = [np.abs(_moved(shown, middle) - middle).mean() / scale for shown in points]
    return float(np.quantile(residuals, 0.9)) < FLAT_RESIDUAL


def looks_planar(landmarks: Sequence[np.ndarray]) -> bool:
    """The same hint where the picture may be turned: its points move as those of a plane do.

    A photo that somebody turns before the camera is no face that turns. A film of a person on a
    screen, photo after photo, and a mask are not seen.

    Args:
        landmarks: float [5, 2] in pixels of aligned crops, in order.
    """
    return len(landmarks) >= 10 and planar_residual(landmarks) < PLANAR_RESIDUAL


def planar_residual(landmarks: Sequence[np.ndarray]) -> float:
    """How far five points move otherwise than those of a plane, in distances between the eyes.

    Nine tenths of the pictures are at or below it, in the mean of the points.

    Args:
        landmarks: float [5, 2] in pixels, of each picture in order; one at least.
    """
    points, middle, scale = _laid_together(landmarks)
    known = np.c_[middle, np.ones(5)]
    # Takes away what an affine map of the middle shape reaches.
    rest = np.eye(5) - known @ np.linalg.pinv(known)
    return float(np.quantile(np.abs(rest @ points).mean((1, 2)) / scale, 0.9))


def _laid_together(landmarks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
    """Shapes in one place, float64 [n, 5, 2]; their middle; the distance between its eyes."""
    shown_points = np.stack(landmarks).astype(np.float64)
    # All in one place first: the middle of shapes that were moved and turned is no such shape.
    points = np.stack([_moved(shown, shown_points[0]) for shown in shown_points])
    middle = np.median(points, 0)
    return points, middle, float(np.hypot(*(middle[1] - middle[0]))) or 1.0


def _moved(shown: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Five points brought as near to others as rotation, scale and shift can."""
    return np.c_[shown, np.ones(5)] @ similarity_transform(shown, target).T
