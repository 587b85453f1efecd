"""Everybody is drawn equally often, however many faces they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainingArguments

from twin_matcher_dagster.training.class_balance import draws_an_epoch, sampler_weights
from twin_matcher_dagster.training.hf_trainer import BalancedTrainer
from twin_matcher_dagster.training.plan import LabelledFaces


@given(classes=st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_every_class_weighs_the_same(classes: list[int]) -> None:
    numbers = np.array(classes, np.int64)
    weights = sampler_weights(numbers)
    sums = [weights[numbers == one].sum() for one in set(classes)]
    assert sums == pytest.approx([len(classes) / len(sums)] * len(sums))
    assert weights.mean() == pytest.approx(1)


def test_the_trainer_draws_a_small_class_as_often_as_a_large_one(tmp_path: Path) -> None:
    args = TrainingArguments(str(tmp_path), report_to="none")
    classes = np.repeat([0, 1], [900, 100])
    faces = LabelledFaces(np.zeros((1000, 1, 1, 3), np.uint8), classes)
    drawn = []
    for seed in (0, 0, 1):
        order = torch.Generator().manual_seed(seed)
        trainer = BalancedTrainer(faces, order, model=torch.nn.Linear(1, 1), args=args)
        drawn.append(list(trainer._get_train_sampler()))
    assert all(len(one) == len(faces) for one in drawn)
    assert all(0.42 < np.mean(classes[one] == 1) < 0.58 for one in drawn)
    assert drawn[0] == drawn[1] != drawn[2]


@given(st.integers(1, 500), st.integers(2, 64))
def test_no_face_is_alone_in_a_batch(faces: int, batch_size: int) -> None:
    draws = draws_an_epoch(faces, batch_size)
    assert faces - draws in (0, 1)
    assert draws % batch_size != 1 or faces == 1
