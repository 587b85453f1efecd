"""Claim: adding a person writes their shard and a manifest, whatever is there already.

Beside it, in the same run, the way of the system that this one re-imagines: load the data set,
append, write everything again. Synthetic pixels, a real S3 server on this machine; bytes and
requests are counted on the wire's client side, times are medians.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.defs.results import commit
from twin_matcher_dagster.faces.images import encode_jpeg
from twin_matcher_dagster.identities.merging import ShardEntry, merge
from twin_matcher_dagster.identities.schema import Face, read_shard, write_shard
from twin_matcher_dagster.local import s3_server, services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore

SIZES = (1_000, 10_000)
PERSON = 85
SHARD = 5_000
REPEATS = 5


class Meter:
    """Counts what a client sends."""

    def __init__(self, store: ObjectStore) -> None:
        self.bytes = self.requests = 0
        store.client.meta.events.register("before-send.s3", self._count)

    def _count(self, request: object, **_: object) -> None:
        self.requests += 1
        self.bytes += int(request.headers.get("Content-Length", 0))  # ty: ignore

    def measure(self, work: Callable[[], None]) -> tuple[float, int, int]:
        """Seconds, bytes and requests of one piece of work."""
        self.bytes = self.requests = 0
        started = time.perf_counter()
        work()
        return time.perf_counter() - started, self.bytes, self.requests


def faces_of(count: int, who: str, random: np.random.Generator) -> list[Face]:
    """Noise in the size of faces: about as many bytes as a JPEG of a face."""
    images = random.integers(96, 160, (count, 40, 40, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    return [Face(encode_jpeg(i, 80), who, f"c-{who}", "celebrity", "", "train") for i in images]


def put(store: ObjectStore, faces: list[Face]) -> ShardEntry:
    """Write one shard."""
    shard = write_shard(faces)
    key = layout.shard(layout.BALANCED, shard.sha256)
    store.put_content(key, shard.data)
    return ShardEntry.of(key, shard.sha256, faces)


def bench(store: ObjectStore, meter: Meter, size: int, table: Table) -> None:
    """Both ways at one size."""
    random = np.random.default_rng(size)
    old = [put(store, faces_of(SHARD, str(i), random)) for i in range(-(-size // SHARD) - 1)]
    old.append(put(store, faces_of(size - SHARD * len(old), "last", random)))

    def append(person: list[Face]) -> None:
        commit(store, layout.DATASETS, merge(old, [put(store, person)]))

    def rewrite(person: list[Face]) -> None:
        faces = [face for shard in old for face in read_shard(store.get(shard.key))] + person
        parts = [faces[start : start + SHARD] for start in range(0, len(faces), SHARD)]
        commit(store, layout.DATASETS, merge([put(store, part) for part in parts], []))

    for name, way in {"a shard and a manifest": append, "load, append, write all": rewrite}.items():
        runs = []
        for repeat in range(REPEATS):
            person = faces_of(PERSON, f"{name}{repeat}", random)
            runs.append(meter.measure(lambda way=way, person=person: way(person)))
        seconds, sent, requests = (statistics.median(run[i] for run in runs) for i in range(3))
        row = (f"{size:,}", name, f"{sent / 2**20:.2f}", f"{requests:.0f}", f"{seconds:.2f}")
        table.add_row(*row)


def main() -> None:
    """Print the table."""
    right = [Column(name, justify="right") for name in ("MiB sent", "requests", "median s")]
    table = Table("faces before", "way of adding 85 faces", *right)
    with tempfile.TemporaryDirectory() as home:
        (port,) = s3_server.free_ports(1)
        settings = Settings(twin_matcher_home=Path(home), s3_port=port, twin_matcher_bucket=None)
        variables = environment(settings)
        with services.running([services.S3], variables, Path(home) / "log"):
            store = s3_server.wait_until_ready(variables)
            for size in SIZES:
                bench(store, Meter(store), size, table)
        services.stop_leftovers(Path(home))
    Console().print(table)


if __name__ == "__main__":
    main()
