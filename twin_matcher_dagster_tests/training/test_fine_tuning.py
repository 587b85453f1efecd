"""Real training of a few steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    ConvNextImageProcessorPil,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.plan import LabelledFaces, Objective, TrainingPlan
from twin_matcher_dagster_tests.people import (
    FACES,
    LABELS,
    OTHERS,
    PLAN,
    QUICK,
    People,
    Trained,
    nobody,
    part,
    said,
)
from twin_matcher_dagster_tests.training.crowd import PEOPLE, SIDE, UNTAUGHT, crowd, plan_of


def weights_after(people: People, plan: TrainingPlan, folder: Path) -> bytes:
    fine_tune(part(people[0], 24), nobody(people[1]), LABELS, plan, folder)
    return (folder / "model.safetensors").read_bytes()


def test_it_learns_to_tell_people_apart(trained: Trained, people: People) -> None:
    chance = 1 / len(LABELS)
    assert trained.curve[-1].train_loss < trained.curve[0].train_loss
    assert max(epoch.validation_accuracy for epoch in trained.curve[-3:]) > 1.7 * chance
    assert trained.curve[-1].validation_loss < trained.curve[0].validation_loss


def test_every_epoch_is_reported_once(trained: Trained) -> None:
    assert [epoch.epoch for epoch in trained.curve] == list(range(1, PLAN.epochs + 1))
    assert trained.reported == trained.curve
    assert all(np.isfinite(list(vars(epoch).values())).all() for epoch in trained.curve)


def test_the_folder_is_a_standard_model_and_nothing_else(trained: Trained) -> None:
    assert sorted(path.name for path in trained.folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "neck.safetensors",
        "preprocessor_config.json",
    ]
    loaded: Any = ResNetForImageClassification.from_pretrained(
        trained.folder, output_loading_info=True
    )
    model, report = loaded
    assert not any(report.values())  # nothing is missing, nothing is left over
    assert model.config.architectures == ["ResNetForImageClassification"]
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


@pytest.mark.parametrize("frozen", [0, 2])
def test_a_saved_model_is_a_backbone(
    trained: Trained, people: People, tmp_path: Path, frozen: int
) -> None:
    """It starts where the other training ended: most of what that gained is there at once.

    In loss: of 24 faces, a rounding error more or less moves the accuracy by several points.
    """
    plan = TrainingPlan(
        backbone=str(trained.folder), epochs=1, learning_rate=1e-6, frozen_stages=frozen
    )
    (epoch,) = fine_tune(*people, LABELS, plan, tmp_path / "model")
    assert epoch.train_loss < trained.curve[0].train_loss
    first, last = trained.curve[0].validation_loss, trained.curve[-1].validation_loss
    assert first is not None
    assert last is not None
    assert epoch.validation_loss == pytest.approx(last, abs=0.25 * (first - last))


def test_one_identity_is_refused(people: People, tmp_path: Path) -> None:
    train, validation = people
    alone = LabelledFaces(train.images[:9], np.zeros(9, np.int64))
    for labels in (LABELS, {"c-1": "Ana"}):
        with pytest.raises(TrainingError, match="1 identities, at least 2 are needed"):
            fine_tune(alone, validation, labels, QUICK, tmp_path / "model")
    with pytest.raises(TrainingError, match="0 identities"):
        fine_tune(nobody(train), validation, LABELS, QUICK, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_one_face_is_refused_and_two_are_enough(tiny: str, tmp_path: Path) -> None:
    plan = replace(plan_of(tiny), epochs=2)
    with pytest.raises(TrainingError, match="1 identities"):
        fine_tune(part(FACES, 1), part(FACES, 0), PEOPLE, plan, tmp_path / "one")
    curve = fine_tune(part(FACES, 2), part(FACES, 0), PEOPLE, plan, tmp_path / "two")
    assert [epoch.epoch for epoch in curve] == [1, 2]
    assert np.isfinite([epoch.train_loss for epoch in curve]).all()
    assert np.isfinite(Embedder(tmp_path / "two").rows).all()


def test_two_people_with_one_face_cannot_be_told_apart(tiny: str, tmp_path: Path) -> None:
    """Twins, or one person under two names: it ends well, and knows neither from the other."""
    faces = crowd(4, 20)
    faces.images[faces.classes == 1] = faces.images[faces.classes == 0]
    folder = tmp_path / "model"
    fine_tune(faces, part(faces, 0), PEOPLE, plan_of(tiny), folder)
    embedder = Embedder(folder)
    cosines = embedder(faces.images[faces.classes == 0]) @ embedder.rows.T
    apart = np.abs(cosines[:, 0] - cosines[:, 1]).mean()
    assert apart < np.abs(cosines[:, 0] - cosines[:, 2]).mean()
    assert np.isfinite(cosines).all()


@pytest.mark.slow
def test_two_thousand_people_with_a_face_or_two_each(tiny: str, tmp_path: Path) -> None:
    people = {f"c-{number}": "Name" for number in range(2000)}
    faces = part(crowd(2000, 2), 3000)
    plan = replace(plan_of(tiny), epochs=8, batch_size=64)
    curve = fine_tune(faces, part(crowd(2000, 1, seed=2), 400), people, plan, tmp_path / "model")
    assert curve[-1].validation_accuracy > 20 / len(people)
    embedder = Embedder(tmp_path / "model")
    assert embedder.identities == list(people)
    assert embedder.rows.shape == (2000, 16)


def vit(folder: Path) -> None:
    ViTForImageClassification(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=SIDE,
            patch_size=8,
        )
    ).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


def convnext(folder: Path) -> None:
    ConvNextForImageClassification(
        ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, patch_size=4)
    ).save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": SIDE}, crop_pct=0.8).save_pretrained(folder)


@pytest.mark.parametrize("make", [vit, convnext])
def test_any_backbone_with_a_linear_head_will_do(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    make(tmp_path / "backbone")
    plan = replace(plan_of(str(tmp_path / "backbone")), epochs=16)
    curve = fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "model")
    assert curve[-1].validation_accuracy > 2 / len(PEOPLE)
    right = np.array(said(tmp_path / "model", OTHERS.images)) == [
        f"c-{number}" for number in OTHERS.classes
    ]
    assert right.mean() >= curve[-1].validation_accuracy
    embedder = Embedder(tmp_path / "model")
    assert (embedder(OTHERS.images) @ embedder.rows.T).argmax(1).tolist() != [0] * len(OTHERS)


def test_patience_without_checkpoints_is_refused(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoints"):
        fine_tune(FACES, OTHERS, PEOPLE, replace(plan_of(tiny), patience=3), tmp_path / "model")


def test_an_unknown_backbone_is_refused(people: People, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Set BACKBONE to"):
        fine_tune(*people, LABELS, replace(QUICK, backbone="no-one/nothing"), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_without_a_teacher_there_is_no_distillation(people: People, tmp_path: Path) -> None:
    """The weight of what nobody says is no matter; said, it is."""
    train = part(people[0], 24)
    untaught = LabelledFaces(train.images, train.classes)
    losses = {
        (name, weight): fine_tune(
            faces,
            nobody(people[1]),
            LABELS,
            replace(QUICK, objective=Objective(distillation=weight)),
            tmp_path / f"{name}{weight}",
        )[0].train_loss
        for name, faces in (("taught", train), ("untaught", untaught))
        for weight in (0.0, 4.0)
    }
    assert losses["untaught", 4.0] == losses["untaught", 0.0] == losses["taught", 0.0]
    assert losses["taught", 4.0] > losses["taught", 0.0] + 1


def test_the_mean_of_weights_is_what_is_saved(tiny: str, tmp_path: Path) -> None:
    """The steps are the same with any decay: what is saved differs, what is learnt does not."""
    faces, saved, curves = crowd(4, 10), [], []
    for number, decay in enumerate((0.0, 0.99)):
        plan = TrainingPlan(backbone=tiny, epochs=2, batch_size=8, objective=UNTAUGHT, ema=decay)
        curves.append(fine_tune(faces, faces, PEOPLE, plan, tmp_path / str(number)))
        saved.append(load_file(tmp_path / str(number) / "model.safetensors"))
    assert [one.train_loss for one in curves[0]] == [one.train_loss for one in curves[1]]
    body = "resnet.embedder.embedder.convolution.weight"
    assert not torch.allclose(saved[0][body], saved[1][body], atol=1e-5)
    # And it is what was validated: a plain reader is right as often, or more often, for its rows
    # are the means of the faces.
    for number, curve in enumerate(curves):
        plain = ResNetForImageClassification.from_pretrained(tmp_path / str(number)).eval()
        pixels = Preprocessing.of(image_processor(tiny))(faces.images)
        with torch.no_grad():
            nearest = plain(pixel_values=pixels).logits.argmax(1).numpy()
        right = (nearest == faces.classes).mean()
        assert right >= curve[-1].validation_accuracy - 1e-6


def away_from_teacher(folder: Path, faces: LabelledFaces) -> float:
    """1 - cosine of what a model's neck says and what the recogniser says, on average."""
    model = load_backbone(str(folder), LABELS)[0]
    net = TwinNet(model, Preprocessing.of(image_processor(str(folder))), folder).eval()
    with torch.no_grad():
        told = net.projection(net.neck(net.features(net.preprocessing(faces.images))))
    assert faces.teacher is not None
    return float(1 - (functional.normalize(told, dim=1).numpy() * faces.teacher).sum(1).mean())


def test_distillation_brings_unseen_faces_near_the_teacher(
    trained: Trained, people: People, tmp_path: Path
) -> None:
    """Nearer than by a training without it."""
    train, held_out = people
    without = replace(PLAN, epochs=2, objective=UNTAUGHT)
    fine_tune(train, held_out, LABELS, without, tmp_path / "model")
    taught, alone = (
        away_from_teacher(one, held_out) for one in (trained.folder, tmp_path / "model")
    )
    assert taught < alone - 0.2


def test_the_neck_is_kept_as_safetensors(trained: Trained) -> None:
    kept = load_file(trained.folder / NECK_FILE)
    assert {name: tuple(one.shape) for name, one in kept.items()} == {
        "mean": (384,),
        "deviation": (384,),
        "projection": (128, 384),
        "metric": (384, 384),
    }
    assert (kept["deviation"] > 0).all()
