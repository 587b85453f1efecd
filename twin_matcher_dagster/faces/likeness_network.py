"""What kind of face it is: the network that likeness is asked of. It is never trained here.

dlib's face recogniser (King 2017, trained on 7,485 people, public domain; ``models/NOTICE.md``) as
ONNX. Of strangers it finds twins that look alike where recognisers which tell millions of people
apart have unlearnt what two people share (docs/measured.md). Who somebody is, it is not asked: at a
fixed limit it takes many people of one group for one another.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from twin_matcher_dagster.faces.onnx_session import open_session, unit_vectors

LIKENESS_FILE = Path(__file__).parent / "models" / "dlib_face_fp16.onnx"
LIKENESS_DIMENSIONS = 128
# From our crop to the chip that the network was trained on: scale about the middle, in pixels. The
# median of dlib's own alignment on 944 crops (scale 1.029 to 1.053, angle below half a degree).
_CHIP_SIZE = 150
_SCALE, _MIDDLE, _CHIP_MIDDLE = 1.04, 79.5, (74.5, 50.2)
_CHIP = np.array([[_SCALE, 0, _CHIP_MIDDLE[0] - _SCALE * _MIDDLE],
                  [0, _SCALE, _CHIP_MIDDLE[1] - _SCALE * _MIDDLE]])  # fmt: skip
_OPENING = threading.Lock()


class LikenessNetwork:
    """Unit vectors of aligned faces, each the mean of the face and its mirror image."""

    def __init__(self) -> None:
        self._session = open_session(str(LIKENESS_FILE))

    def __call__(self, crops: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Embed aligned faces.

        Args:
            crops: uint8 RGB [n, 160, 160, 3], aligned as by ``alignment.align``.

        Returns:
            float32 [n, 128], unit vectors.
        """
        return unit_vectors(self._vector, crops, LIKENESS_DIMENSIONS)

    def _vector(self, crop: np.ndarray) -> np.ndarray:
        """The sum of what the network says of a crop and of its mirror image, float32 [128]."""
        import cv2

        views = [
            cv2.warpAffine(
                view,
                _CHIP,
                (_CHIP_SIZE, _CHIP_SIZE),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for view in (crop, np.ascontiguousarray(crop[:, ::-1]))
        ]
        faces = np.stack(views).transpose(0, 3, 1, 2).astype(np.float32)
        return np.asarray(self._session.run(None, {"face": faces})[0]).sum(0)


def load_likeness_network() -> LikenessNetwork:
    """The network, opened once in a process."""
    with _OPENING:
        return _opened_network()


@lru_cache(maxsize=1)
def _opened_network() -> LikenessNetwork:
    return LikenessNetwork()
