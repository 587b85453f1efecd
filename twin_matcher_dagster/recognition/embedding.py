"""Faces to unit vectors, with a trained model. No training code is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.preprocessing import Preprocessing

BATCH = 64


class Embedder:
    """A trained ResNet, read from a `transformers` model folder (safetensors only).

    The embedding is the pooled feature map before the classification head, scaled to length 1.
    """

    def __init__(self, folder: Path) -> None:
        import torch
        from safetensors import SafetensorError
        from transformers import ConvNextImageProcessorPil, ResNetForImageClassification
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            self._model = ResNetForImageClassification.from_pretrained(folder, use_safetensors=True)
            processor = ConvNextImageProcessorPil.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise TrainingError(
                f"The model in {folder} cannot be read: {error}. Materialize twin_model again."
            ) from error
        self._model.eval().to(memory_format=torch.channels_last)
        self._preprocessing = Preprocessing.of(processor)
        classes: Any = self._model.config.id2label
        self.identities = [str(name) for _, name in sorted(classes.items())]

    def __call__(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed and classify faces.

        Args:
            faces: uint8 RGB [n, 160, 160, 3], aligned.

        Returns:
            float32 [n, dimensions] unit vectors, and float32 [n, identities] class probabilities.
        """
        import torch

        embeddings, probabilities = [], []
        with torch.inference_mode():
            for start in range(0, len(faces), BATCH):
                pixels = self._preprocessing(faces[start : start + BATCH])
                features = self._model.resnet(pixels).pooler_output
                embeddings.append(torch.nn.functional.normalize(features.flatten(1), dim=1))
                probabilities.append(self._model.classifier(features).softmax(1))
        return torch.cat(embeddings).numpy(), torch.cat(probabilities).numpy()
