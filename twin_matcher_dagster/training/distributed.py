"""A training on several devices: a process for each, with the same network.

torchrun starts the processes and stops all when one ends badly. In each, accelerate deals out the
batches and takes the mean of the gradients (Li et al. 2020, "PyTorch distributed",
https://arxiv.org/abs/2006.15704). The faces are mapped from one file, not copied to each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.training.fine_tuning import LabelledFaces, TrainingPlan, fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.plan import Objective

_JOB = "job.json"
_FACES = "faces-"


def fine_tune_on(
    devices: int,
    train: LabelledFaces,
    validation: LabelledFaces,
    labels: Mapping[str, str],
    plan: TrainingPlan,
    folder: Path,
    on_epoch: Callable[[Epoch], None],
    checkpoints: Path | None,
    logs: Path | None,
) -> list[Epoch]:
    """As :func:`~.training.fine_tune`, on so many devices.

    Raises:
        TrainingError: as there.
        RuntimeError: a process ended early; what it said went to this one's standard error.
    """
    if checkpoints:
        checkpoints.mkdir(parents=True, exist_ok=True)
        for left in checkpoints.glob(f"{_FACES}*"):
            shutil.rmtree(left)
    # Beside the checkpoints: whatever forgets those forgets the faces too that a crash left there.
    with tempfile.TemporaryDirectory(prefix=_FACES, dir=checkpoints) as temporary:
        job = Path(temporary)
        _write(job, "train", train)
        _write(job, "validation", validation)
        told = {
            "labels": dict(labels),
            "plan": asdict(plan),
            "folder": str(folder.resolve()),
            "checkpoints": str(checkpoints.resolve()) if checkpoints else None,
            "logs": str(logs.resolve()) if logs else None,
        }
        (job / _JOB).write_text(json.dumps(told))
        with _started(devices, job) as processes:
            try:
                return _listen(processes.stdout or (), on_epoch)
            finally:
                processes.terminate()
                processes.wait()


def _started(devices: int, job: Path) -> subprocess.Popen[str]:
    import torch

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    where = ["--local-addr=127.0.0.1", f"--nproc-per-node={devices}"]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // devices))}
    # accelerate leaves cores alone unless it is told to use them.
    cores = {} if torch.cuda.is_available() else {"ACCELERATE_USE_CPU": "true"}
    return subprocess.Popen(
        [*torchrun, *where, "--module", __name__, str(job)],
        env={**threads, **os.environ, **cores},
        stdout=subprocess.PIPE,
        text=True,
    )


def _listen(lines: Iterable[str], on_epoch: Callable[[Epoch], None]) -> list[Epoch]:
    """What the processes say, until the last one ends."""
    curve = None
    for line in lines:
        said = json.loads(line)
        if "error" in said:
            raise TrainingError(said["error"])
        if "epoch" in said:
            on_epoch(Epoch(**said["epoch"]))
        if "curve" in said:
            curve = [Epoch(**epoch) for epoch in said["curve"]]
    if curve is None:
        raise RuntimeError(
            "A process of the training ended before it was done; the log has what it said."
        )
    return curve


def _write(job: Path, split: str, faces: LabelledFaces) -> None:
    for name, values in vars(faces).items():
        if values is not None:
            np.save(job / f"{split}-{name}.npy", values, allow_pickle=False)


def _read(job: Path, split: str) -> LabelledFaces:
    def values(name: str) -> np.ndarray:
        return np.load(job / f"{split}-{name}.npy", mmap_mode="c", allow_pickle=False)

    teacher = values("teacher") if (job / f"{split}-teacher.npy").exists() else None
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
        curve = fine_tune(
            _read(job, "train"),
            _read(job, "validation"),
            told["labels"],
            TrainingPlan(**told["plan"], objective=objective),
            Path(told["folder"]),
            lambda epoch: report(epoch=vars(epoch)),
            Path(told["checkpoints"]) if told["checkpoints"] else None,
            Path(told["logs"]) if told["logs"] else None,
        )
        report(curve=[vars(epoch) for epoch in curve])
    except TrainingError as error:
        say(error=str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
