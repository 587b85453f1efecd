"""Everybody is drawn equally often, however many faces they have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.recognition.sampling import draws_an_epoch, sampler_weights
from twin_matcher_dagster.recognition.training import LabelledFaces, _balanced_trainer


@given(classes=st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_every_class_weighs_the_same(classes: list[int]) -> None:
    numbers = np.array(classes, np.int64)
    weights = sampler_weights(numbers)
    sums = [weights[numbers == one].sum() for one in set(classes)]
    assert sums == pytest.approx([len(classes) / len(sums)] * len(sums))
    assert weights.mean() == pytest.approx(1)


def test_the_trainer_draws_a_small_class_as_often_as_a_large_one() -> None:
    classes = np.repeat([0, 1], [900, 100])
    faces = LabelledFaces(np.zeros((1000, 1, 1, 3), np.uint8), classes)
    trainer: Any = SimpleNamespace(args=SimpleNamespace(train_batch_size=32, n_gpu=0))
    drawn = [
        list(_balanced_trainer(faces, order)._get_train_sampler(trainer))  # ty: ignore
        for order in (torch.Generator().manual_seed(seed) for seed in (0, 0, 1))
    ]
    assert all(len(one) == len(faces) for one in drawn)
    assert all(0.42 < np.mean(classes[one] == 1) < 0.58 for one in drawn)
    assert drawn[0] == drawn[1] != drawn[2]


@given(st.integers(2, 500), st.integers(1, 8), st.integers(2, 64))
def test_no_device_gets_a_face_alone(faces: int, devices: int, each: int) -> None:
    batch = each * devices
    draws = draws_an_epoch(faces, batch, devices)
    assert 0 < draws <= faces
    assert faces - draws < 2 * devices
    rest = draws % batch
    assert rest == 0 or rest >= 2 * devices or draws == faces < 2 * devices
