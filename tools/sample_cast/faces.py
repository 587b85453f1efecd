"""Find the face in a render and cut it out as the data set has it."""
from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")     # before onnxruntime is loaded

import cv2
import numpy as np
from retinaface import detect_faces

MIN_SCORE = 0.9
CROP_SIZE = 160
MARGIN = 1.3


def confident_faces(image: np.ndarray) -> list:
    """The faces that RetinaFace scores above 0.9 in a BGR image."""
    found = detect_faces(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), score_threshold=0.02)
    return [face for face in found if face.score > MIN_SCORE]


def cut_out(image: np.ndarray, face) -> np.ndarray:
    """A square of 1.3 times the larger side of the box, about its centre, at 160 x 160."""
    side = max(face.width, face.height) * MARGIN
    left, top = face.x + face.width / 2 - side / 2, face.y + face.height / 2 - side / 2
    x, y, size = round(left), round(top), round(side)
    border = size
    padded = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    square = padded[y + border : y + border + size, x + border : x + border + size]
    return cv2.resize(square, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)


def crop_view(path: Path) -> np.ndarray | None:
    """The crop of a view with exactly one confident face, else nothing."""
    image = cv2.imread(str(path))
    faces = confident_faces(image)
    return cut_out(image, faces[0]) if len(faces) == 1 else None


def jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
