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
from collections.abc import Callable, Iterable
from pathlib import Path

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.storage.records.training import Newcomers, TriedShare
from twin_matcher_dagster.training import worker
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.newcomers import Lessons
from twin_matcher_dagster.training.plan import TrainingPlan
from twin_matcher_dagster.training.worker import write_job

_FACES = "faces-"


def train_on_devices(
    devices: int,
    lessons: Lessons,
    plan: TrainingPlan,
    folder: Path,
    on_epoch: Callable[[Epoch], None],
    on_choice: Callable[[Newcomers], None],
    checkpoints: Path | None,
    logs: Path | None,
) -> list[Epoch]:
    """As :func:`~.fine_tuning.fine_tune`, on so many devices.

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
        write_job(job, lessons, plan, folder, checkpoints, logs)
        with _started(devices, job) as processes:
            try:
                return _listen(processes.stdout or (), on_epoch, on_choice)
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
        [*torchrun, *where, "--module", worker.__name__, str(job)],
        env={**threads, **os.environ, **cores},
        stdout=subprocess.PIPE,
        text=True,
    )


def _listen(
    lines: Iterable[str],
    on_epoch: Callable[[Epoch], None],
    on_choice: Callable[[Newcomers], None],
) -> list[Epoch]:
    """What the processes say, until the last one ends."""
    curve = None
    for line in lines:
        said = json.loads(line)
        if "error" in said:
            raise TrainingError(said["error"])
        if "epoch" in said:
            on_epoch(Epoch(**said["epoch"]))
        if "choice" in said:
            tried = tuple(TriedShare(**one) for one in said["choice"]["tried"])
            identities = tuple(said["choice"]["identities"])
            on_choice(Newcomers(identities, said["choice"]["share"], tried))
        if "curve" in said:
            curve = [Epoch(**epoch) for epoch in said["curve"]]
    if curve is None:
        raise RuntimeError(
            "A process of the training ended before it was done; the log has what it said."
        )
    return curve
