"""Processes that are paused and killed at any write: one at a time, and all come through."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from twin_matcher_dagster.storage import lease
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.storage import lease_worker
from twin_matcher_dagster_tests.storage.lease_worker import KEY, KILLED, log_of

WORKERS, TURNS = 4, 20


def start(bucket: str, number: int, seed: str) -> subprocess.Popen[str]:
    arguments = [bucket, str(number), str(WORKERS), str(TURNS), seed]
    return subprocess.Popen(
        [sys.executable, "-m", lease_worker.__name__, *arguments], stdout=subprocess.PIPE, text=True
    )


def lives(bucket: str, number: int, seed: int) -> Iterator[subprocess.Popen[str]]:
    """One worker's processes: after one that was killed another one begins."""
    life = 0
    while True:
        process = start(bucket, number, f"{seed}-{number}-{life}")
        yield process
        if process.returncode != KILLED:
            return
        life += 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_no_two_hold_it_and_nobody_waits_for_ever(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A turn is one more than the most that was seen: two who looked at once would write one twice.

    Each process ends after its turns, or is killed before a write and begins again.
    """
    monkeypatch.setattr(lease, "EXPIRES_AFTER_S", lease_worker.EXPIRES_AFTER_S)
    workers = [lives(store.bucket, number, seed) for number in range(WORKERS)]
    running = [(worker, next(worker)) for worker in workers]
    killed = lost = 0
    while running:
        worker, process = running.pop(0)
        output, _ = process.communicate()
        if process.returncode == KILLED:
            killed += 1
            running.append((worker, next(worker)))
        else:
            assert process.returncode == 0
            lost += int(output)
    turns = [
        (one.record.turn, number)
        for number in range(WORKERS)
        for one in log_of(store, number).entries()
    ]
    assert killed > 0
    assert lost > 0
    # Nobody wrote a turn that somebody else had written: each saw all before it.
    assert [turn for turn, _ in sorted(turns)] == list(range(1, len(turns) + 1))
    assert {number for _, number in turns} == set(range(WORKERS))
    assert len(turns) >= WORKERS * TURNS
    while lease.lease_state(store, KEY).holder:
        pass  # it expires
