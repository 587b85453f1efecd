"""One process of a training on several devices: what it is told, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.training.newcomers import Lessons
from twin_matcher_dagster.training.plan import Objective, TrainingPlan
from twin_matcher_dagster.training.worker import write_job
from twin_matcher_dagster_tests.people import FACES, OTHERS
from twin_matcher_dagster_tests.training.crowd import PEOPLE

PLAN = TrainingPlan(backbone="small", epochs=3, patience=2, objective=Objective(margin=0.1))
# A worker whose training only writes down what it was told.
WORKER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import numpy as np
from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.training import worker
from twin_matcher_dagster.storage.records.training import Newcomers, TriedShare
from twin_matcher_dagster.training.learning_curve import Epoch

def train(lessons, plan, folder, on_epoch, on_choice, checkpoints, logs):
    if {wrong!r}:
        raise TrainingError({wrong!r})
    print("a library talks")
    parts = dict(learnt=lessons.learnt, newcomers=lessons.newcomers, validation=lessons.validation)
    mapped = [type(one.images).__name__ for one in parts.values()]
    said = dict(labels=lessons.labels, plan=asdict(plan), folder=str(folder), mapped=mapped,
                checkpoints=str(checkpoints), logs=str(logs))
    Path(sys.argv[1], "said.json").write_text(json.dumps(said))
    for name, one in parts.items():
        teacher = np.zeros(0) if one.teacher is None else one.teacher
        np.savez(Path(sys.argv[1], name), images=one.images, classes=one.classes, teacher=teacher)
    epoch = Epoch(1, 0.5, 0.4, 0.9)
    on_epoch(epoch)
    on_choice(Newcomers(("c-3",), 0.5, (TriedShare(0.5, 0.9, 0.8, 0.3),)))
    return [epoch]

worker.train = train
worker.main(Path(sys.argv[1]))
"""
EPOCH = {"epoch": 1, "train_loss": 0.5, "validation_loss": 0.4, "validation_accuracy": 0.9}
TRIED = {"share": 0.5, "learnt": 0.9, "newcomers": 0.8, "loss": 0.3}
CHOICE = {"identities": ["c-3"], "share": 0.5, "tried": [TRIED]}


@pytest.fixture
def lessons() -> Lessons:
    words = np.random.default_rng(0).normal(size=(len(FACES), 128)).astype(np.float32)
    taught = replace(FACES, teacher=words)
    new = taught.classes == 3
    return Lessons(PEOPLE, taught.where(~new), taught.where(new), OTHERS)


def run(job: Path, rank: int, wrong: str = "") -> list[dict[str, Any]]:
    """What the process of a rank says, a message a line."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER.format(wrong=wrong), str(job)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "RANK": str(rank)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert wrong or "a library talks" in done.stderr  # and never among the messages
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_job_is_what_was_asked_for(lessons: Lessons, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    write_job(job, lessons, PLAN, tmp_path / "model", tmp_path / "left", None)
    assert run(job, rank=0) == [{"epoch": EPOCH}, {"choice": CHOICE}, {"curve": [EPOCH]}]
    said = json.loads((job / "said.json").read_text())
    assert said["labels"] == PEOPLE
    assert list(said["labels"]) == list(PEOPLE)  # the order is the classes'
    assert said["plan"] == asdict(PLAN)
    assert said["folder"] == str(tmp_path / "model")
    assert (said["checkpoints"], said["logs"]) == (str(tmp_path / "left"), "None")
    assert said["mapped"] == 3 * ["memmap"]  # not copied to each
    for name in ("learnt", "newcomers", "validation"):
        one = getattr(lessons, name)
        given = np.load(job / f"{name}.npz")
        assert np.array_equal(given["images"], one.images)
        assert np.array_equal(given["classes"], one.classes)
        wanted = np.zeros(0) if one.teacher is None else one.teacher
        assert np.array_equal(given["teacher"], wanted)


def test_the_first_process_says_how_it_goes_and_all_say_what_is_wrong(
    lessons: Lessons, tmp_path: Path
) -> None:
    write_job(tmp_path, lessons, PLAN, tmp_path / "model", None, None)
    assert run(tmp_path, rank=1) == []
    assert run(tmp_path, rank=1, wrong="the backbone is damaged") == [
        {"error": "the backbone is damaged"}
    ]
