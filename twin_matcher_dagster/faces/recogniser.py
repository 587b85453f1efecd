"""The reference recogniser: are two faces one person? It is never trained here.

SFace (Zhong et al. 2021, https://arxiv.org/abs/2205.12010), from OpenCV's model zoo under
Apache-2.0; see ``models/NOTICE.md``. Tracking, cuts, doubled people and impersonation are judged
with it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import RecogniserError
from twin_matcher_dagster.faces.onnx_session import open_session, unit_vectors
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER

DIMENSIONS = 128
BUNDLED_FILE = Path(__file__).parent / "models" / "sface_fp16.onnx"
# The name of the file in OpenCV's repository on the Hub.
HUB_FILE = "face_recognition_sface_2021dec.onnx"
_INPUT_SIZE = 112


class Recogniser:
    """Unit vectors of aligned faces; the cosine of two says how alike the people are."""

    def __init__(self, model: Path) -> None:
        """Load a model file.

        Raises:
            RecogniserError: it is no ONNX model from [n, 3, 112, 112] to [n, 128].
        """
        try:
            self._session = open_session(str(model))
        # onnxruntime raises many types, some of them not exported.
        except Exception as error:
            raise RecogniserError(
                f"The recogniser {str(model)!r} cannot be loaded: {error}. Set RECOGNISER to "
                "'bundled', an ONNX file, or a Hub repository id such as "
                "opencv/face_recognition_sface."
            ) from error
        self._input = self._session.get_inputs()[0]
        inputs, outputs = list(self._input.shape or []), self._session.get_outputs()[0].shape
        if inputs[1:] != [3, _INPUT_SIZE, _INPUT_SIZE] or list(outputs or [])[1:] != [DIMENSIONS]:
            raise RecogniserError(
                f"The recogniser {str(model)!r} does not give {DIMENSIONS} numbers a face. Set "
                "RECOGNISER to 'bundled', or to another one."
            )

    def __call__(self, crops: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Embed aligned faces.

        Args:
            crops: uint8 RGB [n, 160, 160, 3], aligned as by ``alignment.align``: the template is
                the one that SFace was trained with.

        Returns:
            float32 [n, 128], unit vectors.
        """
        return unit_vectors(self._vector, crops, DIMENSIONS)

    def _vector(self, crop: np.ndarray) -> np.ndarray:
        """What the network says of one crop, float32 [128]."""
        import cv2

        small = cv2.resize(crop, (_INPUT_SIZE, _INPUT_SIZE), interpolation=cv2.INTER_AREA)
        pixels = np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)
        return np.asarray(self._session.run(None, {self._input.name: pixels})[0])[0]


_LOADING = threading.Lock()


def load_recogniser(source: str = BUNDLED_RECOGNISER) -> Recogniser:
    """The recogniser behind a name; loaded once in a process.

    Args:
        source: ``bundled``, the path of an ONNX file, or a Hub repository id.

    Raises:
        RecogniserError: there is none, or it cannot be loaded.
    """
    # Two pages' requests at once must not load it twice.
    with _LOADING:
        return _load(source)


@lru_cache(maxsize=2)
def _load(source: str) -> Recogniser:
    if source == BUNDLED_RECOGNISER:
        return Recogniser(BUNDLED_FILE)
    path = Path(os.path.expanduser(source))  # noqa: PTH111 - leaves "~nobody" as it is
    return Recogniser(path if path.is_file() else _from_hub(source))


def _from_hub(repository: str) -> Path:
    """The model file of a Hub repository, through the cache of `huggingface_hub`."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, HUB_FILE))
    # huggingface_hub raises many types; all mean that the file is out of reach.
    except Exception as error:
        raise RecogniserError(
            f"There is no file {repository!r}, and no {HUB_FILE} in a Hub repository of that name: "
            f"{error}. Set RECOGNISER to 'bundled', an ONNX file, or a repository id."
        ) from error
