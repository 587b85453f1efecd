"""The loop: where it begins, who is imprinted, how patience ends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.network import NECK_FILE
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import image_processor
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.loop import start
from twin_matcher_dagster.training.plan import LabelledFaces
from twin_matcher_dagster_tests.people import (
    FACES,
    LABELS,
    NEWCOMER,
    OTHERS,
    QUICK,
    People,
    Trained,
    faces_of,
    part,
    said,
)
from twin_matcher_dagster_tests.training.crowd import PEOPLE, plan_of


def test_a_pipeline_says_whose_row_is_nearest(trained: Trained, people: People) -> None:
    """The neck is folded into the head: logits are what the cosines are."""
    held_out = people[1]
    embedder = Embedder(trained.folder)
    preprocessing = Preprocessing.of(image_processor(SMALL_BACKBONE))
    net = start(held_out, LABELS, replace(QUICK, backbone=str(trained.folder)), preprocessing)
    with torch.no_grad():
        seen = net.eval().embed(preprocessing(preprocessing.shrink(held_out.images))).numpy()
    cosines = seen @ embedder.rows.T
    first, second = np.sort(cosines)[:, :-3:-1].T
    clear = first - second > 0.05  # a pipeline scales with Pillow, which rounds otherwise
    assert clear.mean() > 0.5
    told = np.array(said(trained.folder, held_out.images))
    assert (told == np.array(list(LABELS))[cosines.argmax(1)])[clear].all()


def test_known_people_are_known_in_whatever_order(trained: Trained, people: People) -> None:
    held_out = people[1]
    plan = replace(QUICK, backbone=str(trained.folder))
    preprocessing = Preprocessing.of(image_processor(SMALL_BACKBONE))
    cosines = []
    for labels in (LABELS, dict(reversed(LABELS.items()))):
        net = start(held_out, labels, plan, preprocessing).eval()
        with torch.no_grad():
            seen = net.embed(preprocessing(preprocessing.shrink(held_out.images)))
            cosines.append(seen @ torch.nn.functional.normalize(net.head.weight, dim=1).T)
    assert torch.allclose(cosines[0], cosines[1].flip(1), atol=1e-5)


def test_the_rows_are_the_means_of_the_faces(trained: Trained, people: People) -> None:
    """So that whoever is imprinted later stands beside others of the same kind."""
    train = people[0]
    embedder = Embedder(trained.folder)
    preprocessing = Preprocessing.of(image_processor(SMALL_BACKBONE))
    seen = embedder(preprocessing.shrink(train.images))
    for number, row in enumerate(embedder.rows):
        mean = seen[train.classes == number].mean(0)
        # Embedded as they are and mirrored, where the rows are of the faces as they are.
        assert row @ mean / np.linalg.norm(mean) > 0.99


@pytest.fixture(scope="module")
def newcomer() -> np.ndarray:
    """Faces of somebody whom the trained model has not seen."""
    return np.stack(faces_of(NEWCOMER)[NEWCOMER])


def test_a_new_person_is_found_before_the_first_step(
    trained: Trained, people: People, newcomer: np.ndarray
) -> None:
    """Imprinted from some faces, found by others, beside three who were learnt; these stay."""
    train = people[0]
    labels = {"u-new": "New", **LABELS}
    faces = LabelledFaces(
        np.concatenate([train.images, newcomer[:16]]),
        np.concatenate([train.classes + 1, np.zeros(16, np.int64)]),
    )
    preprocessing = Preprocessing.of(image_processor(SMALL_BACKBONE))
    net = start(faces, labels, replace(QUICK, backbone=str(trained.folder)), preprocessing).eval()
    with torch.no_grad():
        rows = torch.nn.functional.normalize(net.head.weight, dim=1)
        nearest = (net.embed(preprocessing(newcomer[16:])) @ rows.T).argmax(1)
    assert (nearest == 0).float().mean() > 2 / len(labels)
    # Without the metric, which is fitted anew when this training ends.
    metric = load_file(trained.folder / NECK_FILE)["metric"]
    told = torch.nn.functional.normalize(rows[1:] @ metric.T, dim=1)
    assert np.allclose(told.numpy(), Embedder(trained.folder).rows, atol=1e-5)


def test_somebody_without_faces_is_not_imprinted(tiny: str, tmp_path: Path) -> None:
    labels = {**PEOPLE, "u-nobody": "No faces"}
    fine_tune(FACES, OTHERS, labels, replace(plan_of(tiny), epochs=1), tmp_path / "model")
    rows = Embedder(tmp_path / "model").rows
    assert rows.shape == (5, 16)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize(("faces", "batch_size"), [(9, 8), (17, 16), (9, 1), (3, 2)])
def test_no_batch_is_of_one_face(tiny: str, tmp_path: Path, faces: int, batch_size: int) -> None:
    """Which has no spread that the neck could be scaled by."""
    plan = replace(plan_of(tiny), epochs=1, batch_size=batch_size)
    curve = fine_tune(part(FACES, faces), part(OTHERS, 1), PEOPLE, plan, tmp_path / "model")
    assert np.isfinite(curve[0].train_loss)
    # Of the faces to validate on none is left out for it.
    assert np.isfinite(curve[0].validation_loss)


def test_every_face_is_validated(tiny: str, tmp_path: Path) -> None:
    """Those too that fill no batch: what they are called changes what is found."""
    plan = replace(plan_of(tiny), epochs=1, batch_size=16)
    losses = []
    for last in (0, 1):
        classes = np.zeros(130, np.int64)
        classes[128:] = last
        held_out = LabelledFaces(np.repeat(OTHERS.images[:1], 130, axis=0), classes)
        (epoch,) = fine_tune(part(FACES, 17), held_out, PEOPLE, plan, tmp_path / str(last))
        losses.append(epoch.validation_loss)
    assert losses[0] != losses[1]


def test_patience_ends_it_with_the_best_weights(tiny: str, tmp_path: Path) -> None:
    """A step so large that it can only get worse; what is saved is what was best."""
    plan = replace(plan_of(tiny), epochs=30, learning_rate=0.3, patience=3)
    folder = tmp_path / "model"
    curve = fine_tune(FACES, OTHERS, PEOPLE, plan, folder, checkpoints=tmp_path / "checkpoints")
    accuracies = [epoch.validation_accuracy for epoch in curve]
    assert len(curve) < plan.epochs
    assert accuracies.index(max(accuracies)) == len(curve) - 1 - 3
    right = np.array(said(folder, OTHERS.images)) == [f"c-{n}" for n in OTHERS.classes]
    assert right.mean() >= max(accuracies)
    steps = 8 * (1 + accuracies.index(max(accuracies)))
    best = load_file(tmp_path / "checkpoints" / f"checkpoint-{steps}" / "model.safetensors")
    body = "resnet.embedder.embedder.convolution.weight"
    saved = load_file(folder / "model.safetensors")[body]
    assert torch.equal(saved, best[f"average.module.model.{body}"])
