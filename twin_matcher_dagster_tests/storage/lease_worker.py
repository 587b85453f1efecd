"""A process that judges under a lease, is paused and is killed: for ``test_lease_stress``."""

from __future__ import annotations

import os
import random
import sys
import time
from dataclasses import dataclass

from twin_matcher_dagster.errors import LeaseLostError
from twin_matcher_dagster.storage import lease
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import Record

KEY = "leases/stress"
EXPIRES_AFTER_S = 1.0
PAUSE_S = 3.0
KILLED = 9


@dataclass(frozen=True, kw_only=True)
class Turn(Record):
    """What a worker wrote: one more than the most that it saw of all others."""

    turn: int


def log_of(store: ObjectStore, worker: int) -> ManifestLog[Turn]:
    """A log a worker, as every upload has one of verdicts."""
    return ManifestLog(store, f"turns/{worker}", Turn.from_body, "turns")


class Worker:
    """Takes turns until it has written as many as it should."""

    def __init__(self, bucket: str, number: int, workers: int, seed: str) -> None:
        self._store = ObjectStore.from_environment(bucket)
        self._number, self._workers = number, workers
        self._random = random.Random(seed)  # noqa: S311
        self._store.client.meta.events.register("before-send.s3.PutObject", self._mishap)

    def _mishap(self, **_: object) -> None:
        """Before any write: of the lease, of the turn, of the fence."""
        fate = self._random.random()
        if fate < 0.02:
            os._exit(KILLED)
        if fate < 0.06:
            time.sleep(PAUSE_S)

    def turn(self) -> None:
        """Look at everybody's newest turn, and write the next one."""

        def make(head: Manifest[Turn] | None) -> Turn:
            logs = (log_of(self._store, one) for one in range(self._workers))
            heads = [found.record.turn for log in logs if (found := log.head())]
            turn = 1 + max(heads, default=0)
            return Turn(fingerprint=f"{turn}", turn=turn)

        with lease.leased(self._store, KEY) as held:
            log_of(self._store, self._number).update(make, held.reserve)


def main(bucket: str, number: str, workers: str, turns: str, seed: str) -> None:
    """Says how often the lease was lost."""
    lease.EXPIRES_AFTER_S = EXPIRES_AFTER_S
    worker = Worker(bucket, int(number), int(workers), seed)
    lost = done = 0
    while done < int(turns):
        try:
            worker.turn()
        except LeaseLostError:
            lost += 1
        else:
            done += 1
    sys.stdout.write(f"{lost}")


if __name__ == "__main__":
    main(*sys.argv[1:])
