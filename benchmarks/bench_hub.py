"""Claim: publishing a new person sends their shard and the card, whatever is published already.

Beside it, in the same run, the way of the system that this one re-imagines: ``push_to_hub`` of the
whole data set. Synthetic pixels, real clients, and the tests' own Hub server on this machine, which
counts what arrives (over LFS: the real Hub's Xet may send less of what it has already).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.dataset.schema import SPLITS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the tests are not installed

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.local import embedded_s3, services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests import hub_server
from twin_matcher_dagster_tests.hub_server import HubServer
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.publication import client

SIZES = (1_000, 4_000)
# What may come on top of the shard: the card, the requests themselves.
MAX_EXTRA = 20_000


def bench(
    run: Callable[..., Any], hub: HubServer, store: ObjectStore, size: int, table: Table
) -> bool:
    """Both ways at one size; whether ours sent the shard and little else."""
    kit = Kit(store, size)
    kit.celebrities(*(f"Person {n}" for n in range(size // 30)), faces=10, splits=SPLITS)
    kit.version()
    run(client.publish_dataset, store.bucket, f"bench/ours-{size}")
    rows = _rows(store)
    run(client.push_to_hub, f"bench/theirs-{size}", rows)
    new = kit.user("Mira", publication=True)
    kit.version()
    shard = len(store.get(kit.shard_of(new).key))
    sent = {}
    for name, work in {
        "one shard and the card": (client.publish_dataset, store.bucket, f"bench/ours-{size}"),
        "push_to_hub": (client.push_to_hub, f"bench/theirs-{size}", _rows(store)),
    }.items():
        hub.forget_requests()
        started = time.perf_counter()
        run(*work)
        seconds = time.perf_counter() - started
        sent[name] = sum(len(one.body) for one in hub.requests)
        figures = (f"{sent[name] / 2**20:.2f}", f"{len(hub.requests)}", f"{seconds:.1f}")
        table.add_row(f"{len(rows):,}", name, *figures)
    return sent["one shard and the card"] < shard + MAX_EXTRA


def _rows(store: ObjectStore) -> list[dict[str, Any]]:
    """All rows, as `datasets` takes them."""
    return [
        {**vars(face), "image": {"bytes": face.image, "path": None}}
        for face in read_version(store).faces()
    ]


def main() -> int:
    """Print the table."""
    right = [Column(name, justify="right") for name in ("MiB sent", "requests", "seconds")]
    table = Table("faces before", "way of publishing 25 more", *right)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(
            twin_matcher_home=Path(home), s3_port=HeldPorts(1).numbers[0], twin_matcher_bucket=None
        )
        variables = environment(settings)
        blobs = Path(home) / "hub"
        blobs.mkdir()
        with (
            services.running([services.S3], variables, Path(home) / "log"),
            hub_server.running(blobs) as hub,
        ):
            first = embedded_s3.wait_until_ready(variables)
            quiet = dict.fromkeys(
                ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"), "1"
            )
            os.environ.update({**variables, **hub.variables(Path(home) / "hf"), **quiet})
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                good = True
                for size in SIZES:
                    store = ObjectStore(first.client, f"bench-{size}")
                    store.client.create_bucket(Bucket=store.bucket)
                    good &= bench(_runner(pool), hub, store, size, table)
        services.stop_leftovers(Path(home))
    console = Console()
    console.print(table)
    console.print(f"Ours: the shard and at most {MAX_EXTRA:,} bytes: {'ok' if good else 'MISSED'}")
    return 0 if good else 1


def _runner(pool: ProcessPoolExecutor) -> Callable[..., Any]:
    return lambda work, *args: pool.submit(work, *args).result(600)


if __name__ == "__main__":
    sys.exit(main())
