"""Two processes train together, as on two GPUs: here each has a core, and they talk over gloo."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

import twin_matcher_dagster_tests.training.crowd as crowd_program
from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.network import NECK_FILE
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster_tests.training.crowd import PEOPLE, crowd, plan_of, tiny_backbone

FACES, OTHERS = crowd(4, 20), crowd(4, 5, seed=2)


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_backbone(tmp_path_factory.mktemp("backbone") / "tiny")


def ranks(checkpoints: Path) -> list[psutil.Process]:
    """The processes of a training on several devices, the one that starts them too."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[-1:] and process.cmdline()[-1].startswith(str(checkpoints)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_two_devices_share_the_work(tiny: str, tmp_path: Path) -> None:
    reported: list[Epoch] = []
    left = tmp_path / "checkpoints"
    where = tmp_path / "model", reported.append, left, tmp_path / "logs"
    curve = fine_tune(FACES, OTHERS, PEOPLE, plan_of(tiny), *where, devices=2)
    assert [epoch.epoch for epoch in curve] == [1, 2, 3, 4]
    assert curve == reported
    assert curve[-1].train_loss < curve[0].train_loss
    rows = Embedder(tmp_path / "model").rows
    assert rows.shape == (4, 16)
    # 80 faces an epoch in batches of 8, 5 for each of the two. The faces that lay beside the
    # checkpoints are gone, and one of the two wrote the logs.
    assert [path.name for path in left.iterdir()] == ["checkpoint-20"]
    assert len(list((tmp_path / "logs").iterdir())) == 1
    assert ranks(left) == []


@pytest.mark.slow
def test_a_death_loses_nothing(tiny: str, tmp_path: Path) -> None:
    """What was killed goes on, and ends as it would have; nothing stays behind."""
    left = tmp_path / "checkpoints"
    done = subprocess.run(
        [sys.executable, "-m", crowd_program.__name__, tiny, left, tmp_path / "lost", "2", "2"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    deadline = time.monotonic() + 60
    while ranks(left) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ranks(left) == []
    begun = newest_whole(left)
    assert begun is not None
    epoch = round(json.loads((begun / "trainer_state.json").read_text())["epoch"])
    assert epoch < 4
    reported: list[Epoch] = []
    plan = plan_of(tiny)
    where = tmp_path / "model", reported.append, left
    curve = fine_tune(FACES, OTHERS, PEOPLE, plan, *where, devices=2)
    assert curve[epoch:] == reported
    assert curve == fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "at once", devices=2)
    for name in ("model.safetensors", NECK_FILE):
        ours, whole = ((tmp_path / one / name).read_bytes() for one in ("model", "at once"))
        assert ours == whole, name
    # The faces, too, that the killed one left beside the checkpoints.
    assert [path.name for path in left.iterdir()] == ["checkpoint-20"]


@pytest.mark.slow
def test_stopped_in_the_middle_no_process_goes_on(tiny: str, tmp_path: Path) -> None:
    def stop(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    plan, left = replace(plan_of(tiny), epochs=1000), tmp_path / "checkpoints"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "model", stop, left, devices=2)
    assert ranks(left) == []
    assert not (tmp_path / "model" / "config.json").exists()


@pytest.mark.slow
def test_what_a_process_finds_wrong_is_said(tiny: str, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(tiny, spoilt)
    (spoilt / NECK_FILE).write_text("no neck")
    plan = replace(plan_of(str(spoilt)), epochs=1)
    with pytest.raises(TrainingError, match="spoilt"):
        fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "model", devices=2)


@pytest.mark.slow
def test_a_process_that_died_without_a_word_is_an_error(tiny: str, tmp_path: Path) -> None:
    left = tmp_path / "checkpoints"

    def kill(epoch: Epoch) -> None:
        next(one for one in ranks(left) if "--nproc-per-node=2" not in one.cmdline()).kill()

    plan = replace(plan_of(tiny), epochs=1000)
    with pytest.raises(RuntimeError, match="ended before it was done"):
        fine_tune(FACES, OTHERS, PEOPLE, plan, tmp_path / "model", kill, left, devices=2)
    assert ranks(left) == []
