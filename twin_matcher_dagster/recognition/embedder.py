"""Faces to unit vectors, with a trained model. No training code is imported here."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np

from twin_matcher_dagster.recognition.onnx_embedder import EMBEDDER_FILE, OnnxEmbedder
from twin_matcher_dagster.recognition.torch_embedder import TorchEmbedder, unreadable

_LOG = logging.getLogger(__name__)


class Embedder:
    """A trained classifier's embedding, read from a `transformers` model folder.

    The embedding is what goes into the classification head, through the neck that training left
    beside the model (see :mod:`~.network`), scaled to length 1. A face is seen as it is and
    mirrored; the embedding is the mean of both. onnxruntime works it out where the folder has the
    network as ONNX, torch where an earlier version made the folder.

    Attributes:
        identities: identity id of each class.
        rows: float32 [identities, dimensions], unit vectors: what the head looks for.

    Raises:
        TrainingError: on construction; the folder cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._network = load_embedding(folder)
        if isinstance(self._network, TorchEmbedder):
            self.identities, self.rows = self._network.identities, self._network.rows
        else:
            self.identities, self.rows = _learnt(folder, self._network.head)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Embed faces.

        Args:
            faces: uint8 RGB [n, 160, 160, 3], aligned.

        Returns:
            float32 [n, dimensions], unit vectors.
        """
        return self._network(faces)


def load_embedding(folder: Path) -> OnnxEmbedder | TorchEmbedder:
    """What embeds faces, without what else a model knows: the file of ONNX alone may be there.

    Raises:
        TrainingError: the folder cannot be read, or needs torch where there is none.
    """
    if (folder / EMBEDDER_FILE).is_file():
        return OnnxEmbedder(folder / EMBEDDER_FILE)
    _LOG.info("A model of an earlier version: it is asked through torch.")
    return TorchEmbedder(folder)


def _learnt(folder: Path, head: str) -> tuple[list[str], np.ndarray]:
    """Identities of the classes and their rows, out of a folded head; see ``TwinNet.export``."""
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load_file

    try:
        classes = json.loads((folder / "config.json").read_text())["id2label"]
        with safe_open(folder / "model.safetensors", framework="np") as weights:
            folded = weights.get_tensor(head).astype(np.float64)
        neck = load_file(folder / "neck.safetensors")
    except (KeyError, OSError, ValueError, SafetensorError) as error:
        raise unreadable(folder, error) from error
    rows = folded * neck["deviation"]
    if "metric" in neck:
        rows = np.linalg.solve(neck["metric"].astype(np.float64).T, rows.T).T
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return [str(classes[name]) for name in sorted(classes, key=int)], rows.astype(np.float32)
