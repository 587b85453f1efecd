"""The network to start from: a small ResNet built here, a local folder, or any Hub id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twin_matcher_dagster.errors import TrainingError

if TYPE_CHECKING:
    from transformers import ConvNextImageProcessorPil, ResNetForImageClassification

SMALL = "small"
_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")
# 1.2 million parameters; at 112 pixels about 250 faces a second in training on two cores.
_SMALL_ARCHITECTURE: dict[str, Any] = {
    "embedding_size": 32,
    "hidden_sizes": [32, 64, 128, 256],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
SMALL_SIZE = 112


def load_backbone(name: str, labels: Mapping[str, str]) -> ResNetForImageClassification:
    """Build or load a ResNet with a fresh classification head.

    Args:
        name: ``small`` for one with random weights, else a local model folder or a Hub id such as
            ``microsoft/resnet-50`` (safetensors only; nothing is unpickled).
        labels: identity id -> name, in class order. The ids are the classes: two people may have
            one name.

    Raises:
        TrainingError: the folder or Hub id cannot be loaded as a ResNet.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, ResNetConfig, ResNetForImageClassification

    classes: dict[str, Any] = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {identity_id: index for index, identity_id in enumerate(labels)},
    }
    if name == SMALL:
        return ResNetForImageClassification(ResNetConfig(**_SMALL_ARCHITECTURE, **classes))
    check_backbone(name)
    try:
        kind = AutoConfig.from_pretrained(name).model_type
        if kind != ResNetConfig.model_type:
            # transformers would load it as a ResNet with random weights, and only warn.
            raise ValueError(f"it is a {kind}, not a resnet")
        return ResNetForImageClassification.from_pretrained(
            name, use_safetensors=True, ignore_mismatched_sizes=True, **classes
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _cannot_load(name, error) from error


def check_backbone(name: str) -> None:
    """See that a backbone can be one, before anything is started for it.

    Raises:
        TrainingError: it is not ``small``, no folder, and no Hub id.
    """
    if name != SMALL and not Path(name).is_dir() and not _HUB_ID.fullmatch(name):
        raise _cannot_load(name, ValueError("there is no such folder, and it is no Hub id"))


def image_processor(name: str) -> ConvNextImageProcessorPil:
    """How images become the network's input; saved with the model, so that any reader agrees.

    The small network takes the whole 160-pixel crop at 112 pixels, scaled to -1..1. Others bring
    their own.

    Raises:
        TrainingError: the folder or Hub id has none that can be read.
    """
    from transformers import ConvNextImageProcessorPil

    if name == SMALL:
        half = [0.5, 0.5, 0.5]
        # crop_pct 1: the face fills the crop, nothing of its border is to be cut off.
        return ConvNextImageProcessorPil(
            size={"shortest_edge": SMALL_SIZE}, crop_pct=1.0, image_mean=half, image_std=half
        )
    check_backbone(name)
    try:
        return ConvNextImageProcessorPil.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise _cannot_load(name, error) from error


def _cannot_load(name: str, error: Exception) -> TrainingError:
    return TrainingError(
        f"The backbone {name!r} cannot be loaded: {error}. Set BACKBONE to 'small', a local "
        "folder, or the Hub id of a ResNet with safetensors weights, and check the network."
    )
