"""Faces to unit vectors, with a trained model. No training code is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.preprocessing import Preprocessing

BATCH = 64


class Embedder:
    """A trained classifier, read from a `transformers` model folder (safetensors only).

    The embedding is what goes into the classification head, through the neck that training left
    beside the model (see :mod:`~.network`), scaled to length 1. A face is seen as it is and
    mirrored; the embedding is the mean of both.

    Attributes:
        identities: identity id of each class.
        rows: float32 [identities, dimensions], unit vectors: what the head looks for.
    """

    def __init__(self, folder: Path) -> None:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoImageProcessor, AutoModelForImageClassification
        from transformers.utils.logging import disable_progress_bar

        from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet

        disable_progress_bar()
        try:
            if not (folder / NECK_FILE).is_file():
                raise FileNotFoundError(f"{NECK_FILE} is missing")
            model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True)
            processor = AutoImageProcessor.from_pretrained(folder)
            self._net = TwinNet(model.float(), Preprocessing.of(processor), folder).eval()
        except (KeyError, OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise TrainingError(
                f"The model in {folder} cannot be read: {error}. Materialize twin_model again."
            ) from error
        classes: Any = model.config.id2label
        self.identities = [str(name) for _, name in sorted(classes.items())]
        with torch.inference_mode():
            rows = torch.nn.functional.normalize(self._net.head.weight, dim=1)
        self.rows: np.ndarray = rows.numpy().copy()

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Embed faces.

        Args:
            faces: uint8 RGB [n, 160, 160, 3], aligned.

        Returns:
            float32 [n, dimensions], unit vectors.
        """
        import torch

        embeddings = [torch.zeros(0, self.rows.shape[1])]
        with torch.inference_mode():
            for start in range(0, len(faces), BATCH):
                pixels = self._net.preprocessing(faces[start : start + BATCH])
                both = self._net.embed(pixels) + self._net.embed(pixels.flip(3))
                embeddings.append(torch.nn.functional.normalize(both, dim=1))
        return torch.cat(embeddings).numpy()
