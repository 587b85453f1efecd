"""The embedding network through onnxruntime, out of one file of its model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.faces.onnx_session import open_session, unit_vectors

EMBEDDER_FILE = "embedder.onnx"
"""In a model folder, beside the weights that it was exported from."""
FACES_INPUT = "faces"
HEAD_NAME = "head"
"""Name, in the file's metadata, of what has the name of the head's weights in the safetensors."""


class OnnxEmbedder:
    """Unit vectors of aligned faces, each the mean of the face and its mirror image.

    Args:
        file: of :func:`~.onnx_export.export_embedder`.

    Attributes:
        head: name of the head's weights in the safetensors.

    Raises:
        TrainingError: on construction; it is no such file.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._session = open_session(str(file))
            self.head = self._session.get_modelmeta().custom_metadata_map[HEAD_NAME]
            self._dimensions = int(self._session.get_outputs()[0].shape[1])
        # onnxruntime raises many types, some of them not exported.
        except Exception as error:
            raise TrainingError(
                f"{file.name} cannot be read: {error}. Materialize twin_model again."
            ) from error

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Embed faces: uint8 RGB [n, 160, 160, 3], aligned, to float32 [n, dimensions]."""
        return unit_vectors(self._vector, faces, self._dimensions)

    def _vector(self, face: np.ndarray) -> np.ndarray:
        return np.asarray(self._session.run(None, {FACES_INPUT: face[None]})[0])[0]
