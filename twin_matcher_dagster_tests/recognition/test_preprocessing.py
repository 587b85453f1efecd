"""Preparing faces for the network, as the image processor that is saved with the model does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import BitImageProcessorPil, ConvNextImageProcessorPil, ViTImageProcessorPil

from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import image_processor
from twin_matcher_dagster.training.plan import LabelledFaces

IMAGENET: dict[str, Any] = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
PROCESSORS = {
    "small": image_processor(SMALL_BACKBONE),
    "resnet-50": ConvNextImageProcessorPil(
        size={"shortest_edge": 224}, crop_pct=0.875, resample=3, **IMAGENET
    ),
    "384 pixels": ConvNextImageProcessorPil(
        size={"shortest_edge": 384}, crop_pct=0.875, resample=3, **IMAGENET
    ),
    "no resize": ConvNextImageProcessorPil(size={"shortest_edge": 140}, crop_pct=0.875),
    "vit": ViTImageProcessorPil(size={"height": 96, "width": 96}),
    # 9 / (9 / 14) is a little less than 14 in floating point.
    "odd crop": BitImageProcessorPil(
        size={"shortest_edge": 14}, crop_size={"height": 9, "width": 9}, **IMAGENET
    ),
}


@pytest.fixture
def faces(people: tuple[LabelledFaces, LabelledFaces]) -> np.ndarray:
    """Six faces of three people."""
    return people[0].images[:6]


@pytest.mark.parametrize("name", PROCESSORS)
def test_it_equals_the_image_processor(name: str, faces: np.ndarray) -> None:
    processor = PROCESSORS[name]
    preprocessing = Preprocessing.of(processor)
    mine = preprocessing(faces)
    theirs = torch.from_numpy(np.stack(processor(list(faces))["pixel_values"]))
    assert mine.shape == theirs.shape
    # In steps of the 256 that a pixel has: Pillow rounds to them in between.
    steps = (mine - theirs).abs() * torch.tensor(preprocessing.std).view(1, 3, 1, 1) * 255
    assert steps.max() < 5
    assert steps.mean() < 0.5


@pytest.mark.parametrize("name", PROCESSORS)
def test_shrinking_is_what_the_image_processor_does_first(name: str, faces: np.ndarray) -> None:
    """Training looks at shrunk faces: pixel for pixel what any reader of the model gets."""
    preprocessing = Preprocessing.of(PROCESSORS[name])
    small = preprocessing.shrink(faces)
    assert small.dtype == np.uint8
    assert small.shape[1] == min(160, int(preprocessing.size / preprocessing.crop_share))
    if small.shape[1] < 160:
        theirs = torch.from_numpy(np.stack(PROCESSORS[name](list(faces))["pixel_values"]))
        assert torch.allclose(preprocessing(small), theirs, atol=1e-3)
    else:
        assert np.array_equal(small, faces)


def test_what_is_small_already_is_left(faces: np.ndarray) -> None:
    preprocessing = Preprocessing.of(PROCESSORS["small"])
    once = preprocessing.shrink(faces)
    assert once.shape == (6, 112, 112, 3)
    assert preprocessing.shrink(once) is once
    assert len(preprocessing.shrink(faces[:0])) == 0


def test_a_batch_is_float_and_channels_last(faces: np.ndarray) -> None:
    batch = Preprocessing.of(PROCESSORS["small"])(faces)
    assert (batch.shape, batch.dtype) == ((6, 3, 112, 112), torch.float32)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert -1 <= batch.min() < -0.5 < 0.3 < batch.max() <= 1


def test_colours_keep_their_order() -> None:
    red = np.zeros((1, 160, 160, 3), np.uint8)
    red[..., 0] = 255
    batch = Preprocessing.of(PROCESSORS["small"])(red)
    assert torch.allclose(batch.amax((0, 2, 3)), torch.tensor([1.0, -1.0, -1.0]))
