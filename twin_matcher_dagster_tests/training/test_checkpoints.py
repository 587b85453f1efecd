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
