"""The embedding network through torch, out of its model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.preprocessing import Preprocessing

if TYPE_CHECKING:
    from twin_matcher_dagster.recognition.network import TwinNet

BATCH = 64


class TorchEmbedder:
    """A trained classifier, read from a `transformers` model folder (safetensors only).

    Attributes:
        net: the network, as it answers.
        identities: identity id of each class.
        rows: float32 [identities, dimensions], unit vectors: what the head looks for.

    Raises:
        TrainingError: on construction; the folder cannot be read, or there is no torch to do so.
    """

    net: TwinNet

    def __init__(self, folder: Path) -> None:
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoImageProcessor, AutoModelForImageClassification
            from transformers.utils.logging import disable_progress_bar
        except ImportError as error:
            raise TrainingError(
                "An earlier version made this model, and left nothing that onnxruntime can run. "
                "Launch the job `release` in the Dagster UI, or install torch and transformers "
                "here."
            ) from error
        from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet

        disable_progress_bar()
        try:
            if not (folder / NECK_FILE).is_file():
                raise FileNotFoundError(f"{NECK_FILE} is missing")
            model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True)
            processor = AutoImageProcessor.from_pretrained(folder)
            self.net = TwinNet(model.float(), Preprocessing.of(processor), folder).eval()
        except (KeyError, OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise unreadable(folder, error) from error
        classes: Any = model.config.id2label
        self.identities = [str(name) for _, name in sorted(classes.items())]
        with torch.inference_mode():
            rows = torch.nn.functional.normalize(self.net.head.weight, dim=1)
        self.rows: np.ndarray = rows.numpy().copy()

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Embed faces: uint8 RGB [n, 160, 160, 3], aligned, to float32 [n, dimensions]."""
        import torch

        embeddings = [torch.zeros(0, self.rows.shape[1])]
        with torch.inference_mode():
            for start in range(0, len(faces), BATCH):
                pixels = self.net.preprocessing(faces[start : start + BATCH])
                both = self.net.embed(pixels) + self.net.embed(pixels.flip(3))
                embeddings.append(torch.nn.functional.normalize(both, dim=1))
        return torch.cat(embeddings).numpy()


def unreadable(folder: Path, error: Exception) -> TrainingError:
    """What to say of a model folder that cannot be read."""
    return TrainingError(
        f"The model in {folder} cannot be read: {error}. Materialize twin_model again."
    )
