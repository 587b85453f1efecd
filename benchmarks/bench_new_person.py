"""Claim: a new upload writes its shard, one list and a manifest, whatever is there already.

Beside it, in the same run, the way of the system that this one re-imagines: load the data set,
append, write everything again. Synthetic pixels, a fifth of the faces from uploads, a real S3
server on this machine; bytes and requests are counted on the client's side of the wire, times are
medians. Bytes and requests decide the exit status (constant within 10%), times do not, because
machines are shared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.dataset.schema import write_shard
from twin_matcher_dagster.dataset.versions import read_version, update_dataset
from twin_matcher_dagster.local import embedded_s3, services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.kit import Kit

SIZES = (1_000, 10_000, 100_000)
USERS_SHARE = 0.2
PERSON = 85
CELEBRITY = 100
SHARD = 5_000
REPEATS = 9
REWRITES = 2
# How much more than at the smallest size.
MAX_GROWTH, MAX_SLOWER = 1.10, 1.30


@dataclass(frozen=True)
class Cost:
    """Of one piece of work: seconds, bytes sent, requests made."""

    seconds: float
    sent: float
    requests: float


class Meter:
    """Counts what a client sends."""

    def __init__(self, store: ObjectStore) -> None:
        self._bytes = self._requests = 0
        store.client.meta.events.register("before-send.s3", self._count)

    def _count(self, request: object, **_: object) -> None:
        self._requests += 1
        self._bytes += int(request.headers.get("Content-Length", 0))  # ty: ignore

    def measure(self, work: Callable[[], object]) -> Cost:
        """What one piece of work costs."""
        self._bytes = self._requests = 0
        started = time.perf_counter()
        work()
        return Cost(time.perf_counter() - started, self._bytes, self._requests)


class Bench(Kit):
    """A bucket with a data set of some size.

    Args:
        store: an empty bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        random = np.random.default_rng(0)
        # Noise in the size of faces: about as many bytes as a JPEG of a face.
        images = random.integers(96, 160, (1_000, 40, 40, 3), np.uint8).repeat(4, 1).repeat(4, 2)
        self._images = [encode_jpeg(image, 80) for image in images]
        self._at = 0

    def encoded(self, count: int) -> list[bytes]:
        """Pictures out of a stock: encoding 100,000 would take longer than all that is measured."""
        self._at += 7
        return [self._images[(self._at + n) % len(self._images)] for n in range(count)]

    def fill(self, size: int) -> None:
        """Celebrities and uploads, as the assets leave them."""
        users = round(USERS_SHARE * size / PERSON)
        people = (size - users * PERSON) // CELEBRITY
        labels = [f"Name {number}" for number in range(people)]
        self.celebrities(*labels, faces=CELEBRITY, splits=["train"])
        for _ in range(users):
            self.judge(new_upload_id(), rows=PERSON)
        update_dataset(self.store)

    def append(self) -> None:
        """Our way."""
        self.judge(new_upload_id(), rows=PERSON)
        update_dataset(self.store)

    def rewrite(self) -> None:
        """The other way: load, concatenate, write everything."""
        faces = [*read_version(self.store).faces(), *self.faces("u-new", count=PERSON)]
        for start in range(0, len(faces), SHARD):
            shard = write_shard(faces[start : start + SHARD])
            # Under a new name each time: this way keeps nothing of the version before.
            self.store.put_new(f"rewritten/{time.time_ns()}/{shard.sha256}", shard.data)


def median(costs: list[Cost]) -> Cost:
    """Of each figure by itself."""
    return Cost(
        *(statistics.median(getattr(c, name) for c in costs) for name in Cost.__annotations__)
    )


def main() -> int:
    """Print the table."""
    right = [Column(name, justify="right") for name in ("MiB sent", "requests", "median s")]
    table = Table("faces before", "way of adding 85 faces", *right)
    ours: list[Cost] = []
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(
            twin_matcher_home=Path(home), s3_port=HeldPorts(1).numbers[0], twin_matcher_bucket=None
        )
        variables = environment(settings)
        with services.running([services.S3], variables, Path(home) / "log"):
            first = embedded_s3.wait_until_ready(variables)
            for size in SIZES:
                store = ObjectStore(first.client, f"bench-{size}")
                store.client.create_bucket(Bucket=store.bucket)
                bench, meter = Bench(store), Meter(store)
                bench.fill(size)
                ours.append(median([meter.measure(bench.append) for _ in range(REPEATS)]))
                other = median([meter.measure(bench.rewrite) for _ in range(REWRITES)])
                ways = {"shard, list, manifest": ours[-1], "load, append, write all": other}
                for name, cost in ways.items():
                    figures = (f"{cost.sent / 2**20:.2f}", f"{cost.requests:.0f}")
                    table.add_row(f"{size:,}", name, *figures, f"{cost.seconds:.2f}")
        services.stop_leftovers(Path(home))
    console = Console()
    console.print(table)
    growth = {
        name: max(getattr(one, name) for one in ours) / getattr(ours[0], name)
        for name in Cost.__annotations__
    }
    good = growth["sent"] <= MAX_GROWTH and growth["requests"] <= MAX_GROWTH
    slow = "" if growth["seconds"] <= MAX_SLOWER else " (MISSED: 1.30)"
    console.print(
        f"Largest against {SIZES[0]:,} faces: bytes {growth['sent']:.3f}, requests "
        f"{growth['requests']:.3f} ({'ok' if good else 'MISSED'}: {MAX_GROWTH:.2f}), time "
        f"{growth['seconds']:.2f}{slow}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
