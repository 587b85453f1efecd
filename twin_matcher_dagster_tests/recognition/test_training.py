"""Real training of a few steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import ConvNextImageProcessorPil, ResNetForImageClassification

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.training import (
    LabelledFaces,
    TrainingPlan,
    as_text,
    fine_tune,
)
from twin_matcher_dagster_tests.recognition.conftest import LABELS, Trained

QUICK = TrainingPlan(epochs=1, batch_size=8)
People = tuple[LabelledFaces, LabelledFaces]


def part(faces: LabelledFaces, count: int) -> LabelledFaces:
    return LabelledFaces(faces.images[:count], faces.classes[:count])


def nobody(faces: LabelledFaces) -> LabelledFaces:
    return part(faces, 0)


def weights_after(people: People, plan: TrainingPlan, folder: Path) -> bytes:
    fine_tune(part(people[0], 24), nobody(people[1]), LABELS, plan, folder)
    return (folder / "model.safetensors").read_bytes()


def test_it_learns_to_tell_people_apart(trained: Trained, people: People) -> None:
    chance = 1 / len(LABELS)
    assert trained.curve[-1].train_loss < trained.curve[0].train_loss
    assert max(epoch.validation_accuracy for epoch in trained.curve[-3:]) > 2 * chance
    assert trained.curve[-1].validation_loss < trained.curve[0].validation_loss


def test_every_epoch_is_reported_once(trained: Trained) -> None:
    assert [epoch.epoch for epoch in trained.curve] == list(range(1, 9))
    assert trained.reported == trained.curve
    assert all(np.isfinite(list(vars(epoch).values())).all() for epoch in trained.curve)


def test_the_folder_is_a_standard_model_and_nothing_else(trained: Trained) -> None:
    assert sorted(path.name for path in trained.folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    model = ResNetForImageClassification.from_pretrained(trained.folder)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert ConvNextImageProcessorPil.from_pretrained(trained.folder).crop_pct == 1.0


def test_the_seed_fixes_the_weights(people: People, tmp_path: Path) -> None:
    first, second = (weights_after(people, QUICK, tmp_path / str(n)) for n in range(2))
    assert first == second
    assert weights_after(people, replace(QUICK, seed=1), tmp_path / "other") != first


def test_without_validation_faces_the_curve_has_losses_only(people: People, tmp_path: Path) -> None:
    plan = replace(QUICK, epochs=2)
    curve = fine_tune(part(people[0], 16), nobody(people[1]), LABELS, plan, tmp_path / "model")
    assert [epoch.epoch for epoch in curve] == [1, 2]
    assert all(np.isfinite(epoch.train_loss) for epoch in curve)
    assert all(np.isnan(epoch.validation_accuracy) for epoch in curve)


def test_a_saved_model_is_a_backbone(trained: Trained, people: People, tmp_path: Path) -> None:
    """It starts where the other training ended: from the first epoch on it knows them."""
    plan = TrainingPlan(backbone=str(trained.folder), epochs=1, learning_rate=1e-5)
    curve = fine_tune(*people, LABELS, plan, tmp_path / "model")
    assert curve[0].train_loss < trained.curve[0].train_loss
    assert curve[0].validation_accuracy > 0.5


def test_one_identity_is_refused(people: People, tmp_path: Path) -> None:
    train, validation = people
    alone = LabelledFaces(train.images[:9], np.zeros(9, np.int64))
    for labels in (LABELS, {"c-1": "Ana"}):
        with pytest.raises(TrainingError, match="1 identities, at least 2 are needed"):
            fine_tune(alone, validation, labels, QUICK, tmp_path / "model")
    with pytest.raises(TrainingError, match="0 identities"):
        fine_tune(nobody(train), validation, LABELS, QUICK, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_unknown_backbone_is_refused(people: People, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Set BACKBONE to"):
        fine_tune(*people, LABELS, replace(QUICK, backbone="no-one/nothing"), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_plan_is_text_for_a_fingerprint() -> None:
    assert as_text(QUICK)["epochs"] == "1"
    assert as_text(QUICK) != as_text(replace(QUICK, learning_rate=1e-3))
