"""The network to start from: the one that ships, a small one with random weights, any other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import BUNDLED_BACKBONE, SAMPLE, SMALL_BACKBONE

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")
# 2.8 million parameters, 0.14 GFLOP a face at 112 pixels.
_SMALL_ARCHITECTURE: dict[str, Any] = {
    "embedding_size": 48,
    "hidden_sizes": [48, 96, 192, 384],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
SMALL_SIZE = 112


def folder_of(name: str) -> Path:
    """Where a backbone's files are, if it is no Hub id: the path need not exist."""
    return SAMPLE / "backbone" if name == BUNDLED_BACKBONE else Path(name)


def knows_faces(name: str) -> bool:
    """Whether a backbone was trained on faces before, which its neck tells."""
    from twin_matcher_dagster.recognition.network import NECK_FILE

    return name != SMALL_BACKBONE and (folder_of(name) / NECK_FILE).is_file()


def identity_of(name: str) -> str:
    """A backbone's name, and a mark of its weights where they lie in a folder.

    Another network may come to lie there, or ship with another version.
    """
    weights = sorted(folder_of(name).glob("*.safetensors"))
    if not weights:
        return name
    digest = hashlib.sha256()
    for file in weights:
        digest.update(file.read_bytes())
    return f"{name} {digest.hexdigest()[:12]}"


def load_backbone(name: str, labels: Mapping[str, str]) -> tuple[PreTrainedModel, set[int]]:
    """Build or load an image classifier with a head for these identities.

    Who was in the loaded model's head keeps the row; this is how a released model is trained on.

    Args:
        name: ``small`` for random weights, ``bundled`` for the one that ships, else a local model
            folder or a Hub id such as ``microsoft/resnet-50`` (safetensors only; nothing is
            unpickled).
        labels: identity id -> name, in class order. The ids are the classes: two people may have
            one name.

    Returns:
        The model, and the classes whose row of the head is new.

    Raises:
        TrainingError: the folder or Hub id cannot be loaded as an image classifier.
    """
    from safetensors import SafetensorError
    from transformers import (
        AutoModelForImageClassification,
        ResNetConfig,
        ResNetForImageClassification,
    )

    if name == SMALL_BACKBONE:
        classes: dict[str, Any] = {"num_labels": len(labels)}
        config = ResNetConfig(**_SMALL_ARCHITECTURE, **classes)
        return _with_head(ResNetForImageClassification(config), {}, labels)
    check_backbone(name)
    try:
        model = AutoModelForImageClassification.from_pretrained(
            folder_of(name) if name == BUNDLED_BACKBONE else name,
            use_safetensors=True,
            dtype="float32",
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise cannot_load(name, error) from error
    return _with_head(model, {who: row for row, who in model.config.id2label.items()}, labels)


def _with_head(
    model: Any, rows: Mapping[str, int], labels: Mapping[str, str]
) -> tuple[PreTrainedModel, set[int]]:
    """Give a model a head for these identities; known ones keep their row."""
    import torch

    from twin_matcher_dagster.recognition.network import head_of

    old = head_of(model)
    give_head(model, labels)
    new = head_of(model)
    fresh = set()
    with torch.no_grad():
        for row, who in enumerate(labels):
            if who in rows:
                new.weight[row] = old.weight[rows[who]]
            else:
                fresh.add(row)
    return model, fresh


def give_head(model: Any, labels: Mapping[str, str]) -> None:
    """A head with random rows for these identities, instead of the one that is there.

    Args:
        model: of `transformers`, with a linear head.
        labels: as for :func:`load_backbone`.
    """
    from torch import nn

    from twin_matcher_dagster.recognition.network import head_of

    old = head_of(model)
    (place,) = (path for path, module in model.named_modules() if module is old)
    model.set_submodule(place, nn.Linear(old.in_features, len(labels)))
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {who: row for row, who in enumerate(labels)}
    # ResNet keeps a copy, which its own loss reads.
    model.num_labels = len(labels)


def check_backbone(name: str) -> None:
    """See that a backbone can be one, before anything is started for it.

    Raises:
        TrainingError: it is no folder, no Hub id and none of the names.
    """
    if (
        name not in (SMALL_BACKBONE, BUNDLED_BACKBONE)
        and not Path(name).is_dir()
        and not _HUB_ID.fullmatch(name)
    ):
        raise cannot_load(name, ValueError("there is no such folder, and it is no Hub id"))


def image_processor(name: str) -> Any:
    """How images become the network's input; saved with the model, so that any reader agrees.

    The small network takes the whole 160-pixel crop at 112 pixels, scaled to -1..1. Others bring
    their own.

    Raises:
        TrainingError: the folder or Hub id has none that can be read.
    """
    from transformers import AutoImageProcessor, ConvNextImageProcessorPil

    if name == SMALL_BACKBONE:
        half = [0.5, 0.5, 0.5]
        # crop_pct 1: the face fills the crop, nothing of its border is to be cut off.
        return ConvNextImageProcessorPil(
            size={"shortest_edge": SMALL_SIZE}, crop_pct=1.0, image_mean=half, image_std=half
        )
    check_backbone(name)
    try:
        found = AutoImageProcessor.from_pretrained(
            folder_of(name) if name == BUNDLED_BACKBONE else name
        )
        Preprocessing.of(found)
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise cannot_load(name, error) from error
    return found


def cannot_load(name: str, error: Exception) -> TrainingError:
    """What to say of a backbone that cannot be one."""
    return TrainingError(
        f"The backbone {name!r} cannot be loaded: {error}. Set BACKBONE to 'bundled', 'small', a "
        "local folder, or the Hub id of an image classifier with safetensors weights, and check "
        "the network."
    )
