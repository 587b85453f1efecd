"""Real training of a few steps."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    ConvNextImageProcessorPil,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    pipeline,
)

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import PROJECT_ROOT, SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import image_processor
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.loop import start
from twin_matcher_dagster.training.plan import LabelledFaces, Objective, TrainingPlan
from twin_matcher_dagster_tests.training import crowd as crowd_program
from twin_matcher_dagster_tests.training.conftest import LABELS, PLAN, Trained
from twin_matcher_dagster_tests.training.crowd import PEOPLE, SIDE, crowd, plan_of

QUICK = TrainingPlan(backbone=SMALL_BACKBONE, epochs=1, batch_size=8)
FACES, OTHERS = crowd(4, 20), crowd(4, 5, seed=2)
for shared in (FACES, OTHERS):
    shared.images.flags.writeable = False
People = tuple[LabelledFaces, LabelledFaces]


def part(faces: LabelledFaces, count: int) -> LabelledFaces:
    teacher = None if faces.teacher is None else faces.teacher[:count]
    return LabelledFaces(faces.images[:count], faces.classes[:count], teacher)


def said(folder: Path, images: np.ndarray) -> list[str]:
    """The most likely class of each image, by anybody's reader of the folder."""
    classify = pipeline("image-classification", model=str(folder))
    return [str(classify(Image.fromarray(one), top_k=1)[0]["label"]) for one in images]


def nobody(faces: LabelledFaces) -> LabelledFaces:
    return part(faces, 0)


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
    assert np.allclose(rows[1:].numpy(), Embedder(trained.folder).rows, atol=1e-5)


def test_somebody_without_faces_is_not_imprinted(tiny: str, tmp_path: Path) -> None:
    labels = {**PEOPLE, "u-nobody": "No faces"}
    fine_tune(FACES, OTHERS, labels, replace(plan_of(tiny), epochs=1), tmp_path / "model")
    rows = Embedder(tmp_path / "model").rows
    assert rows.shape == (5, 16)
    assert np.isfinite(rows).all()


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


def test_a_batch_is_taken_at_once(people: People) -> None:
    batch = people[0].__getitems__([5, 0, 5])
    assert {name: (tuple(one.shape), one.dtype) for name, one in batch.items()} == {
        "images": ((3, 160, 160, 3), torch.uint8),
        "labels": ((3,), torch.int64),
        "teacher": ((3, 128), torch.float32),
    }
    assert np.array_equal(batch["images"].numpy(), people[0].images[[5, 0, 5]])
    assert batch["labels"].tolist() == [2, 0, 2]
    untaught = LabelledFaces(people[0].images, people[0].classes)
    assert set(untaught.__getitems__([1])) == {"images", "labels"}


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


@pytest.fixture
def killed(tiny: str, tmp_path: Path) -> Path:
    """What a training left that was killed when it had told of its second epoch."""
    name = crowd_program.__name__
    left = tmp_path / "checkpoints"
    done = subprocess.run(
        [sys.executable, "-m", name, tiny, str(left), str(tmp_path / "lost"), "2", "1"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in left.iterdir()] == ["checkpoint-8"]
    assert not (tmp_path / "lost").exists()
    return left


def test_a_killed_training_goes_on_and_ends_as_it_would_have(
    killed: Path, tiny: str, tmp_path: Path
) -> None:
    reported: list[Epoch] = []
    curve = fine_tune(
        FACES, OTHERS, PEOPLE, plan_of(tiny), tmp_path / "model", reported.append, killed
    )
    assert [epoch.epoch for epoch in reported] == [2, 3, 4]
    assert [epoch.epoch for epoch in curve] == [1, 2, 3, 4]
    assert curve[1:] == reported
    wanted = fine_tune(FACES, OTHERS, PEOPLE, plan_of(tiny), tmp_path / "at once")
    assert curve == wanted
    for name in ("model.safetensors", "neck.safetensors"):
        ours, whole = ((tmp_path / one / name).read_bytes() for one in ("model", "at once"))
        assert ours == whole, name


@pytest.mark.parametrize("name", ["trainer_state.json", "model.safetensors", "optimizer.pt"])
@pytest.mark.parametrize("share", [0, 0.5])
def test_a_state_that_was_cut_off_while_it_was_written_is_passed_over(
    tiny: str, tmp_path: Path, name: str, share: float
) -> None:
    """The one before it is still there, or else it begins anew."""
    left = tmp_path / "checkpoints"
    plan = replace(plan_of(tiny), epochs=1)
    fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "first", checkpoints=left)
    (whole,) = left.iterdir()
    shutil.copytree(whole, left / "checkpoint-16")
    (left / "checkpoint-24").mkdir()
    file = left / "checkpoint-16" / name
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert newest_whole(left) == whole
    reported: list[Epoch] = []
    fine_tune(FACES, OTHERS, PEOPLE, plan_of(tiny), tmp_path / "model", reported.append, left)
    assert [epoch.epoch for epoch in reported] == [2, 3, 4]
    assert newest_whole(tmp_path / "nothing") is None


def test_killed_after_its_last_epoch_it_only_has_to_be_saved(tiny: str, tmp_path: Path) -> None:
    curves = [
        fine_tune(
            FACES, OTHERS, PEOPLE, plan_of(tiny), tmp_path / name, checkpoints=tmp_path / "left"
        )
        for name in ("first", "again")
    ]
    assert curves[0] == curves[1]
    first, again = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "again")
    )
    assert first == again


def test_one_state_is_kept(tiny: str, tmp_path: Path) -> None:
    left = tmp_path / "checkpoints"
    fine_tune(FACES, OTHERS, PEOPLE, plan_of(tiny), tmp_path / "model", checkpoints=left)
    assert [path.name for path in left.iterdir()] == ["checkpoint-32"]


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


@pytest.mark.parametrize("before_the_end", [1, 2, 3])
def test_patience_that_was_used_up_stays_used_up(
    tiny: str, tmp_path: Path, before_the_end: int
) -> None:
    """Interrupted, it ends after the same epoch, with the same weights."""
    plan = replace(plan_of(tiny), epochs=30, learning_rate=0.3, patience=3)
    at_once = fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "1", checkpoints=tmp_path / "a")

    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == len(at_once) + 1 - before_the_end:
            raise KeyboardInterrupt

    left = tmp_path / "b"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "2", interrupt, left)
    assert fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "2", checkpoints=left) == at_once
    first, again = ((tmp_path / n / "model.safetensors").read_bytes() for n in "12")
    assert first == again


def test_patience_without_checkpoints_is_refused(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoints"):
        fine_tune(FACES, OTHERS, PEOPLE, replace(plan_of(tiny), patience=3), tmp_path / "model")


def test_an_unknown_backbone_is_refused(people: People, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Set BACKBONE to"):
        fine_tune(*people, LABELS, replace(QUICK, backbone="no-one/nothing"), tmp_path / "model")
    assert not (tmp_path / "model").exists()
