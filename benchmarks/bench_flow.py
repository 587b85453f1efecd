"""From an upload's commit to the answer of the prediction page, by stage, beside the pure work.

    python benchmarks/bench_flow.py --uploads 10

A whole installation takes in one new person after the other; the median of each stage, and its
range, beside what the same stage does in one process that has everything loaded (the floor).
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the tests are not installed

import dagster as dg
import httpx
from dagster._core.storage.tags import PARTITION_NAME_TAG
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.end_to_end.conftest import PATIENCE, Installation
from twin_matcher_dagster_tests.end_to_end.flow import Flow
from twin_matcher_dagster_tests.end_to_end.visitors import Visitor, crowd
from twin_matcher_dagster_tests.graph import materialize, run_graph
from twin_matcher_dagster_tests.people import write_small_source

AFTER_VERDICT = (keys.TWIN_DATASET, keys.FACE_INDEX, keys.PRODUCTION_RELEASE)
STAGES = (
    *("sensor tick", "run started", keys.USER_FACES),
    *AFTER_VERDICT,
    *("page answers", "in all"),
)
_LOOK_SECONDS = 0.2
_T = TypeVar("_T")
_BUCKET = "floor"


def main() -> int:
    """Print the table."""
    wanted = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    wanted.add_argument("--uploads", type=int, default=10)
    wanted.add_argument("--seed", type=int, default=1)
    given = wanted.parse_args()
    folder = Path(tempfile.mkdtemp())
    source = write_small_source(folder)
    installation = Installation(folder / "home", source)
    installation.variables["RETRAIN_NEW_SHARE"] = "1"  # a training would share the cores
    # The first of all warms up, and is not counted.
    visitors = crowd(min(given.uploads + 1, 20), given.seed)
    try:
        installation.demo()
        flow = Flow(installation, print)
        os.environ.update(environment(installation.settings()), EPOCHS="4", RAW_FACES=str(source))
        load = os.getloadavg()[0]
        took = [_times(flow, _url(installation), visitor, folder) for visitor in visitors][1:]
        floor = list(_floor(flow, visitors))[1:]
        flow.close()
    finally:
        installation.clear_away()
        shutil.rmtree(folder, ignore_errors=True)
    Console(width=120).print(_table(took, floor, load))
    return 0


def _url(installation: Installation) -> str:
    return f"http://127.0.0.1:{installation.variables['PREDICT_PORT']}"


def _times(flow: Flow, page: str, visitor: Visitor, folder: Path) -> dict[str, float]:
    """Seconds of each stage of one upload, to the end of the one before it."""
    instance = flow.instance
    photo = folder / "probe.png"
    photo.write_bytes(visitor.crops[-1])
    visitor.hand_in(flow.store)
    assert visitor.committed
    moments = [visitor.committed]
    partition = dg.RunsFilter(tags={PARTITION_NAME_TAG: visitor.upload_id})
    (record,) = _until(lambda: instance.get_run_records(partition))
    moments.append(record.create_timestamp.timestamp())
    run = record.dagster_run.run_id
    verdict = _made(instance, keys.USER_FACES, moments[0], visitor.upload_id)
    (step,) = instance.get_run_step_stats(run, [keys.USER_FACES])
    moments += [step.start_time or 0.0, verdict]
    for asset in AFTER_VERDICT:
        moments.append(_made(instance, asset, moments[-1]))
    (newest,) = instance.fetch_materializations(dg.AssetKey(keys.PRODUCTION_RELEASE), 1).records
    made = newest.asset_materialization
    assert made
    release = int(str(made.metadata["release"].value))
    _until(lambda: _answering(page, photo) >= release)
    moments.append(time.time())
    each = [later - earlier for earlier, later in itertools.pairwise(moments)]
    return dict(zip(STAGES, [*each, moments[-1] - moments[0]], strict=True))


def _made(
    instance: dg.DagsterInstance, asset: str, after: float, partition: str | None = None
) -> float:
    """When an asset was made first after a moment."""
    wanted = dg.AssetRecordsFilter(
        dg.AssetKey(asset),
        asset_partitions=[partition] if partition else None,
        after_timestamp=after,
    )

    def made() -> Sequence[dg.EventLogRecord]:
        return instance.fetch_materializations(wanted, limit=1, ascending=True).records

    return _until(made)[0].timestamp


def _until(ask: Callable[[], _T]) -> _T:
    """What an answer is as soon as it says anything."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(_LOOK_SECONDS)
    return answer


def _answering(page: str, photo: Path) -> int:
    """The release that answers."""
    answer = httpx.post(f"{page}/v1/twins", content=photo.read_bytes(), timeout=PATIENCE)
    return int(answer.json()["release"]) if answer.status_code == 200 else 0


def _floor(flow: Flow, visitors: Sequence[Visitor]) -> Iterator[dict[str, float]]:
    """Seconds of the same steps in this process, one after the other, on a bucket of their own."""
    store = ObjectStore(flow.store.client, _BUCKET)
    store.client.create_bucket(Bucket=_BUCKET)
    os.environ["TWIN_MATCHER_BUCKET"] = _BUCKET
    instance = dg.DagsterInstance.ephemeral()
    visitors[0].hand_in(store)
    assert run_graph([visitors[0].upload_id], instance).success
    for visitor in visitors:
        visitor.hand_in(store)
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [visitor.upload_id])
        seconds: dict[str, float] = {}
        for asset in (keys.USER_FACES, *AFTER_VERDICT):
            partition = visitor.upload_id if asset == keys.USER_FACES else None
            result = materialize(instance, [asset], partition)
            assert result.success
            (step,) = instance.get_run_step_stats(result.run_id, [asset])
            assert step.start_time and step.end_time
            seconds[asset] = step.end_time - step.start_time
        yield {**seconds, "in all": sum(seconds.values())}


def _table(
    took: Sequence[Mapping[str, float]], floor: Sequence[Mapping[str, float]], load: float
) -> Table:
    table = Table(
        Column("seconds, to the end of"),
        *(Column(name, justify="right") for name in ("median", "range", "in one process", "range")),
        title=f"{len(took)} uploads, one after the other; load {load:.1f}",
    )
    for stage in STAGES:
        table.add_row(stage, *_figures(took, stage), *_figures(floor, stage))
    return table


def _figures(rows: Sequence[Mapping[str, float]], stage: str) -> tuple[str, str]:
    values = [row[stage] for row in rows if stage in row]
    if not values:
        return "", ""
    return f"{statistics.median(values):.2f}", f"{min(values):.2f} to {max(values):.2f}"


if __name__ == "__main__":
    sys.exit(main())
