"""One of the processes of a training on several devices: ``python -m ...training.worker JOB``.

A job is a folder: what to do as JSON, and the faces as arrays that are mapped, not copied.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.training.loop import train
from twin_matcher_dagster.training.newcomers import Lessons
from twin_matcher_dagster.training.plan import LabelledFaces, Objective, TrainingPlan

_JOB = "job.json"
_PARTS = ("learnt", "newcomers", "validation")


def write_job(
    job: Path,
    lessons: Lessons,
    plan: TrainingPlan,
    folder: Path,
    checkpoints: Path | None,
    logs: Path | None,
) -> None:
    """Write down what the processes are to do; see :func:`~.fine_tuning.fine_tune`."""
    for part in _PARTS:
        _write(job, part, getattr(lessons, part))
    told = {
        "labels": dict(lessons.labels),
        "plan": asdict(plan),
        "folder": str(folder.resolve()),
        "checkpoints": str(checkpoints.resolve()) if checkpoints else None,
        "logs": str(logs.resolve()) if logs else None,
    }
    (job / _JOB).write_text(json.dumps(told))


def _write(job: Path, part: str, faces: LabelledFaces) -> None:
    for name, values in vars(faces).items():
        if values is not None:
            np.save(job / f"{part}-{name}.npy", values, allow_pickle=False)


def _read(job: Path, part: str) -> LabelledFaces:
    def values(name: str) -> np.ndarray:
        return np.load(job / f"{part}-{name}.npy", mmap_mode="c", allow_pickle=False)

    teacher = values("teacher") if (job / f"{part}-teacher.npy").exists() else None
    return LabelledFaces(values("images"), values("classes"), teacher)


def main(job: Path) -> None:
    """One of the processes; the first one says how it goes, all say what is wrong.

    A line of JSON at a time.
    """
    # Whatever else is printed goes to standard error.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(**message: object) -> None:
        channel.write(json.dumps(message) + "\n")  # at once: lines of several are not mixed

    def report(**message: object) -> None:
        if os.environ["RANK"] == "0":
            say(**message)

    told = json.loads((job / _JOB).read_text())
    objective = Objective(**told["plan"].pop("objective"))
    try:
        curve = train(
            Lessons(told["labels"], **{part: _read(job, part) for part in _PARTS}),
            TrainingPlan(**told["plan"], objective=objective),
            Path(told["folder"]),
            lambda epoch: report(epoch=vars(epoch)),
            lambda choice: report(choice=asdict(choice)),
            Path(told["checkpoints"]) if told["checkpoints"] else None,
            Path(told["logs"]) if told["logs"] else None,
        )
        report(curve=[vars(epoch) for epoch in curve])
    except TrainingError as error:
        say(error=str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
