"""What is killed, or interrupted, goes on from its last whole state and ends as it would have."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.plan import TrainingPlan
from twin_matcher_dagster_tests.people import (
    FACES,
    OTHERS,
)
from twin_matcher_dagster_tests.training import crowd as crowd_program
from twin_matcher_dagster_tests.training.crowd import PEOPLE, plan_of


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


@pytest.fixture(scope="module")
def one_epoch(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training of one epoch left."""
    folder = tmp_path_factory.mktemp("one epoch")
    plan = replace(plan_of(tiny), epochs=1)
    fine_tune(FACES, OTHERS, PEOPLE, plan, folder / "model", checkpoints=folder / "left")
    return folder / "left"


@pytest.mark.parametrize("name", ["trainer_state.json", "model.safetensors", "optimizer.pt"])
@pytest.mark.parametrize("share", [0, 0.5])
def test_a_state_that_was_cut_off_while_it_was_written_is_passed_over(
    one_epoch: Path, tiny: str, tmp_path: Path, name: str, share: float
) -> None:
    """The one before it is still there, or else it begins anew."""
    left = shutil.copytree(one_epoch, tmp_path / "checkpoints")
    (whole,) = left.iterdir()
    shutil.copytree(whole, left / "checkpoint-16")
    (left / "checkpoint-24").mkdir()
    file = left / "checkpoint-16" / name
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert newest_whole(left) == whole
    reported: list[Epoch] = []
    plan = replace(plan_of(tiny), epochs=2)
    fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "model", reported.append, left)
    assert [epoch.epoch for epoch in reported] == [2]
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


@pytest.fixture(scope="module")
def impatient(
    tiny: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingPlan, list[Epoch], bytes]:
    """A plan that ends before its last epoch, its curve, and the weights."""
    folder = tmp_path_factory.mktemp("impatient")
    plan = replace(plan_of(tiny), epochs=30, learning_rate=0.3, patience=3)
    curve = fine_tune(FACES, OTHERS, PEOPLE, plan, folder / "model", checkpoints=folder / "left")
    assert len(curve) < plan.epochs
    return plan, curve, (folder / "model" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("before_the_end", [1, 2, 3])
def test_patience_that_was_used_up_stays_used_up(
    impatient: tuple[TrainingPlan, list[Epoch], bytes], tmp_path: Path, before_the_end: int
) -> None:
    """Interrupted, it ends after the same epoch, with the same weights."""
    plan, at_once, weights = impatient

    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == len(at_once) + 1 - before_the_end:
            raise KeyboardInterrupt

    left, model = tmp_path / "left", tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(FACES, OTHERS, PEOPLE, plan, model, interrupt, left)
    assert fine_tune(FACES, OTHERS, PEOPLE, plan, model, checkpoints=left) == at_once
    assert (model / "model.safetensors").read_bytes() == weights
