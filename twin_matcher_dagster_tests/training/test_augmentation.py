"""Variation of faces: repeatable, of each its own, and still the same face."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.training.augmentation import augment
from twin_matcher_dagster.training.backbone import image_processor
from twin_matcher_dagster.training.plan import LabelledFaces


def blobs(count: int, side: int = 32) -> torch.Tensor:
    """Prepared pictures of soft blobs: float32 [n, 3, side, side]."""
    rough = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(rough, side, mode="bilinear")


def varied(batch: torch.Tensor, seed: int) -> torch.Tensor:
    return augment(batch, torch.Generator().manual_seed(seed))


def test_it_is_still_the_same_face_mirrored_or_not() -> None:
    """Of many variants most are nearer to the face, or to its mirror image, than to others."""
    people = blobs(6)
    known = torch.cat([people, people.flip(3)]).mean(1).flatten(1)
    known = torch.nn.functional.normalize(known - known.mean(1, keepdim=True), dim=1)
    right = mirrored = 0
    for seed in range(40):
        seen = varied(people, seed).mean(1).flatten(1)
        seen = torch.nn.functional.normalize(seen - seen.mean(1, keepdim=True), dim=1)
        nearest = (seen @ known.T).argmax(1)
        right += int((nearest % 6 == torch.arange(6)).sum())
        mirrored += int((nearest == torch.arange(6) + 6).sum())
    assert right > 0.6 * 240
    assert 0.2 * right < mirrored < 0.8 * right


def test_now_and_then_there_is_no_colour() -> None:
    grey = [
        bool(torch.allclose(one[0], one[1]) and torch.allclose(one[1], one[2]))
        for one in varied(blobs(1).expand(400, -1, -1, -1), 0)
    ]
    assert 0.1 < sum(grey) / len(grey) < 0.3


@pytest.fixture
def faces(people: tuple[LabelledFaces, LabelledFaces]) -> np.ndarray:
    """Six faces of three people."""
    return people[0].images[:6]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augment_keeps_the_shape_and_what_it_was_given(faces: np.ndarray) -> None:
    batch = Preprocessing.of(image_processor(SMALL_BACKBONE))(faces)
    before = batch.clone()
    varied = augment(batch, generator(0))
    assert varied.shape == batch.shape
    assert varied.dtype == batch.dtype
    assert torch.isfinite(varied).all()
    assert torch.equal(batch, before)
    assert not torch.allclose(varied, batch, atol=0.05)


def test_augment_is_fixed_by_the_seed(faces: np.ndarray) -> None:
    batch = Preprocessing.of(image_processor(SMALL_BACKBONE))(faces)
    assert torch.equal(augment(batch, generator(1)), augment(batch, generator(1)))
    assert not torch.equal(augment(batch, generator(1)), augment(batch, generator(2)))


def test_every_face_of_a_batch_is_varied_otherwise(faces: np.ndarray) -> None:
    same = Preprocessing.of(image_processor(SMALL_BACKBONE))(np.repeat(faces[:1], 8, 0))
    varied = augment(same, generator(0))
    for first in range(8):
        for second in range(first):
            assert (varied[first] - varied[second]).abs().mean() > 0.01


def test_about_half_of_the_faces_are_mirrored() -> None:
    """A bright left half ends up at the right, whatever the light that is added."""
    half = torch.zeros(200, 3, 32, 32)
    half[..., :16] = 3
    varied = augment(half, generator(0)).mean((1, 2))
    mirrored = (varied[:, 20:].mean(1) > varied[:, :12].mean(1)).float().mean()
    assert 0.35 < mirrored < 0.65
