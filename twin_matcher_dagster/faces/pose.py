"""Which way a head looks, from its five landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The landmarks on an average head, in distances between the eyes: x to the right of the image, y
# down, z towards the camera. Across it is ArcFace's template; height and depth of the nose were
# fitted to 270 rendered heads whose angles are known (mean error 3 degrees of yaw, 4 of pitch, 2 of
# roll) and to real faces, which look straight ahead on average.
_MODEL = np.array(
    [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.66, 0.65], [-0.41, 1.15, 0.0], [0.41, 1.15, 0.0]]
)
_CENTRED = _MODEL - _MODEL.mean(0)
_INVERSE = np.linalg.pinv(_CENTRED)


@dataclass(frozen=True)
class Pose:
    """Angles in degrees; all are 0 for a face that looks straight into the camera.

    Attributes:
        yaw: positive looks to the right of the image.
        pitch: positive looks up.
        roll: positive leans clockwise, as seen in the image.
    """

    yaw: float
    pitch: float
    roll: float


def pose_of(landmarks: np.ndarray) -> Pose:
    """Rough head pose by scaled orthography (DeMenthon & Davis 1995, "POS").

    The best linear map from the average head to the landmarks is turned into the nearest rotation.
    People's noses differ: angles are right to within some ten degrees.

    Args:
        landmarks: float [5, 2], in the order of ``Detection.landmarks``.
    """
    points = np.asarray(landmarks, np.float64)
    rows = (points - points.mean(0)).T @ _INVERSE.T
    # Nearest pair of orthogonal rows of equal length: the polar factor.
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    first, second = left @ right
    ahead = np.array([first[2], second[2], np.cross(first, second)[2]])
    yaw = np.degrees(np.arctan2(ahead[0], ahead[2]))
    pitch = np.degrees(np.arctan2(-ahead[1], np.hypot(ahead[0], ahead[2])))
    eyes = points[1] - points[0]
    return Pose(float(yaw), float(pitch), float(np.degrees(np.arctan2(eyes[1], eyes[0]))))
