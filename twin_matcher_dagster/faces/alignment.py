"""Bring a face to the one position that the whole system works in.

Five landmarks are mapped onto the template of ArcFace (Deng et al. 2019,
https://arxiv.org/abs/1801.07698) by the least-squares similarity transform (rotation, scale,
shift). The crops of `lansinuote/simple_facenet` are in this position already, so that celebrities,
users and probes are framed alike.
"""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.faces.scaling import by_halves

FACE_SIZE = 160
"""Side of a face crop in pixels."""

# insightface's template for 112 x 112 crops: eyes, nose tip, corners of the mouth.
_TEMPLATE = (
    np.array(
        [
            [38.2946, 51.6963],
            [73.5318, 51.5014],
            [56.0252, 71.7366],
            [41.5493, 92.3655],
            [70.7299, 92.2041],
        ]
    )
    * FACE_SIZE
    / 112
)

# So far to either side, in distances between the eyes: `likeness.SURE_LEAD` was set with it.
_CHANGE = 0.08

# Points all over a crop: x, y and 1.
_STEPS = np.linspace(0, FACE_SIZE, 17)
_GRID = np.stack([*np.meshgrid(_STEPS, _STEPS), np.ones((17, 17))]).reshape(3, -1)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares rotation, scale and shift that take points onto points.

    Args:
        source: float [n, 2] points, n >= 2.
        target: float [n, 2] where they should go.

    Returns:
        float64 [2, 3] matrix ``M`` with ``M @ (x, y, 1) ~ target``.
    """
    middle, goal = source.mean(0), target.mean(0)
    (x, y), (u, v) = (source - middle).T, (target - goal).T
    size = max(float(x @ x + y @ y), 1e-12)
    turned = np.array([[x @ u + y @ v, y @ u - x @ v], [x @ v - y @ u, x @ u + y @ v]]) / size
    return np.c_[turned, goal - turned @ middle]


def align(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Cut one aligned face out of an image.

    Args:
        image: uint8 RGB [height, width, 3].
        landmarks: float [5, 2] as in :class:`~twin_matcher_dagster.faces.detection.Detection`.

    Returns:
        uint8 RGB [160, 160, 3]; what lies outside the image repeats its border.
    """
    import cv2

    points = landmarks.astype(np.float64)
    matrix = similarity_transform(points, _TEMPLATE)
    # warpAffine takes four neighbours only: average first, or fine texture turns into noise.
    height, width = image.shape[:2]
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    smaller = by_halves(image, width * scale, height * scale)
    if smaller is not image:
        points *= [smaller.shape[1] / width, smaller.shape[0] / height]
        matrix = similarity_transform(points, _TEMPLATE)
    return cv2.warpAffine(
        smaller,
        matrix,
        (FACE_SIZE, FACE_SIZE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def small_changes(crop: np.ndarray) -> list[np.ndarray]:
    """An aligned crop as other landmarks would have cut it: uint8 RGB [160, 160, 3] each.

    The changes of a mirrored crop are the mirrored changes, in another order.

    Args:
        crop: uint8 RGB [160, 160, 3].
    """
    import cv2

    aside = _CHANGE * float(_TEMPLATE[1, 0] - _TEMPLATE[0, 0])
    return [
        cv2.warpAffine(
            crop,
            np.array([[1, 0, x], [0, 1, 0]]),
            (FACE_SIZE, FACE_SIZE),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for x in (-aside, aside)
    ]


def shape_error(landmarks: np.ndarray) -> float:
    """How far five landmarks are from those of a face, wherever and however large it is.

    Args:
        landmarks: float [5, 2] in pixels.

    Returns:
        Mean distance in x and y after the best similarity transform, in distances between the
        eyes: 0.02 for most faces that look ahead, up to 0.11 for half a profile.
    """
    matrix = similarity_transform(landmarks.astype(np.float64), _TEMPLATE)
    moved = np.c_[landmarks, np.ones(len(landmarks))] @ matrix.T
    return float(np.abs(moved - _TEMPLATE).mean() / (_TEMPLATE[1, 0] - _TEMPLATE[0, 0]))


def share_inside(landmarks: np.ndarray, width: int, height: int) -> float:
    """How much of an aligned crop lies inside its image, 0 to 1: a face at the edge is cut off.

    Args:
        landmarks: float [5, 2] in the image.
        width, height: size of the image in pixels.
    """
    matrix = similarity_transform(landmarks.astype(np.float64), _TEMPLATE)
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    x, y = back[:2] @ _GRID
    rim = 1e-6 * max(width, height)  # of rounding
    inside = (x >= -rim) & (x <= width + rim) & (y >= -rim) & (y <= height + rim)
    return float(inside.mean())
