"""How a training ends: the mean of weights, the share that newcomers chose, everybody's row."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet
from twin_matcher_dagster.storage.records.training import Newcomers
from twin_matcher_dagster.training.blending import SHARES, Blender
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.newcomers import ASKED, ENROLLED, Lessons
from twin_matcher_dagster_tests.people import FACES, OTHERS
from twin_matcher_dagster_tests.training.crowd import PEOPLE, crowd, net_of, plan_of

MANY = {f"c-{number}": f"Name {number}" for number in range(10)}
TRAIN, VALIDATION = crowd(10, ENROLLED + ASKED), crowd(10, 4, seed=2)


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    new = FACES.classes == 3
    return Lessons(PEOPLE, FACES.where(~new), FACES.where(new), OTHERS)


@pytest.fixture
def before(tiny: str) -> TwinNet:
    return net_of(tiny)


@pytest.fixture
def after(before: TwinNet) -> TwinNet:
    """The same network, elsewhere."""
    moved = copy.deepcopy(before)
    with torch.no_grad():
        for values in (*moved.parameters(), *moved.buffers()):
            if values.is_floating_point() and values is not moved.metric:
                values.add_(0.1 * values.abs().mean())
    return moved


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_and_statistics_are_the_mean(
    before: TwinNet, after: TwinNet, lessons: Lessons, share: float
) -> None:
    net = Blender(before, after, lessons).blend(share, lessons.learnt, lessons.newcomers)
    old, new = before.state_dict(), after.state_dict()
    for name, values in net.state_dict().items():
        if "classifier" not in name and values.is_floating_point():
            wanted = torch.lerp(old[name], new[name], share)
            assert torch.allclose(values, wanted, atol=1e-6), name


def test_everybody_has_a_row_and_the_learnt_make_the_metric(
    before: TwinNet, after: TwinNet, lessons: Lessons
) -> None:
    blender = Blender(before, after, lessons)
    net = blender.blend(0.5, lessons.learnt, lessons.newcomers)
    assert net.head.weight.shape == (len(PEOPLE), 16)
    assert list(net.model.config.id2label.values()) == list(PEOPLE)
    with torch.no_grad():
        for faces in (lessons.learnt, lessons.newcomers):
            for number in np.unique(faces.classes):
                own = faces.where(faces.classes == number)
                (batch,) = own.prepared(net.preprocessing, "cpu")
                mean = torch.nn.functional.normalize(net.eval().embed(batch[0]).mean(0), dim=0)
                assert torch.allclose(net.head.weight[number], mean, atol=1e-5)
    nobody = lessons.newcomers.where(np.arange(0))
    alone = blender.blend(0.5, lessons.learnt, nobody)
    assert torch.equal(alone.metric, net.metric)
    assert not torch.allclose(net.metric, torch.eye(16), atol=0.1)


def test_the_share_with_the_least_loss_is_chosen(
    before: TwinNet, after: TwinNet, lessons: Lessons
) -> None:
    """A network that was spoilt is not wanted: the less of it the better."""
    with torch.no_grad():
        for values in after.parameters():
            values.normal_()
    chosen = Blender(before, after, lessons).choose(16.0)
    assert chosen.identities == ("c-3",)
    assert [one.share for one in chosen.tried] == list(SHARES)
    assert chosen.share == min(chosen.tried, key=lambda one: one.loss).share
    assert chosen.share < 1
    assert all(0 <= one.newcomers <= 1 and 0 <= one.learnt <= 1 for one in chosen.tried)


def test_newcomers_are_in_the_model_and_were_not_learnt(tiny: str, tmp_path: Path) -> None:
    told: list[Newcomers] = []
    plan = replace(plan_of(tiny), epochs=2)
    fine_tune(TRAIN, VALIDATION, MANY, plan, tmp_path / "model", on_choice=told.append)
    ((identities, share),) = [(one.identities, one.share) for one in told]
    embedder = Embedder(tmp_path / "model")
    assert len(identities) == 2
    assert sorted(embedder.identities) == sorted(MANY)
    assert embedder.identities[-2:] == list(identities)
    assert share in SHARES
    # The same without their faces: what was learnt is the same network.
    new = np.isin(TRAIN.classes, [int(who[2:]) for who in identities])
    spoilt = replace(TRAIN, images=np.where(new[:, None, None, None], 0, TRAIN.images))
    fine_tune(spoilt, VALIDATION, MANY, plan, tmp_path / "spoilt", on_choice=told.append)
    if told[1].share == share:
        name = "resnet.embedder.embedder.convolution.weight"
        first, again = (
            load_file(tmp_path / one / "model.safetensors")[name] for one in ("model", "spoilt")
        )
        assert torch.equal(first, again)


def test_a_few_people_are_all_learnt(tiny: str, tmp_path: Path) -> None:
    told: list[Newcomers] = []
    plan = replace(plan_of(tiny), epochs=1)
    fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "model", on_choice=told.append)
    assert told == []
    assert Embedder(tmp_path / "model").identities == list(PEOPLE)


def test_with_newcomers_too_what_was_interrupted_ends_as_it_would_have(
    tiny: str, tmp_path: Path
) -> None:
    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    plan, left = replace(plan_of(tiny), epochs=3), tmp_path / "checkpoints"
    lesson = TRAIN, VALIDATION, MANY, plan
    with pytest.raises(KeyboardInterrupt):
        fine_tune(*lesson, tmp_path / "model", interrupt, left)
    told: list[Newcomers] = []
    fine_tune(*lesson, tmp_path / "model", checkpoints=left, on_choice=told.append)
    fine_tune(*lesson, tmp_path / "at once", on_choice=told.append)
    assert told[0] == told[1]
    for name in ("model.safetensors", NECK_FILE):
        ours, whole = ((tmp_path / one / name).read_bytes() for one in ("model", "at once"))
        assert ours == whole, name
