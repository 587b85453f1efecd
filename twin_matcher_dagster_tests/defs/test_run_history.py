"""Dagster's history is bounded, in SQLite and in PostgreSQL, and what there is now stays known."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from pydantic import SecretStr

from twin_matcher_dagster.defs.erasure.expired import HISTORY
from twin_matcher_dagster.defs.erasure.run_history import forget_old_runs, forget_runs
from twin_matcher_dagster.defs.keys import UPLOADS_PARTITION
from twin_matcher_dagster.local.dagster_storage import PG_URL, database_url, instance_folder
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.postgres import postgres_server

PARTS = dg.DynamicPartitionsDefinition(name=UPLOADS_PARTITION)
WHOLE, DIVIDED = dg.AssetKey("whole"), dg.AssetKey("divided")
KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@dg.asset
def whole() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"made": 1})


@dg.asset(partitions_def=PARTS)
def divided(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"shown": f"picture of {context.partition_key}"})


@dg.asset_check(asset=whole)
def checked() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@contextmanager
def instance_of(kind: str, home: Path) -> Generator[dg.DagsterInstance]:
    """An instance as an installation has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TWIN_MATCHER_BUCKET", raising=False)
        if kind == "sqlite":
            folder = instance_folder(home, Settings(dagster_pg_url=None))
            with dg.DagsterInstance.from_config(str(folder)) as made:
                yield made
            return
        with postgres_server() as server:
            secret = SecretStr(server.url)
            patch.setenv(PG_URL, database_url(secret))
            folder = instance_folder(home, Settings(dagster_pg_url=secret))
            with dg.DagsterInstance.from_config(str(folder)) as made:
                yield made


@pytest.fixture(params=KINDS)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_of("sqlite", tmp_path) as made:
        yield made


def make(
    instance: dg.DagsterInstance,
    *assets: dg.AssetsDefinition,
    partition: str | None = None,
    only: dg.AssetSelection | None = None,
    days_ago: float = 0,
) -> str:
    """Materialize, so many days ago."""
    done = dg.materialize(assets, instance=instance, partition_key=partition, selection=only)
    assert done.success
    age(instance, done.run_id, days_ago)
    return done.run_id


def age(instance: dg.DagsterInstance, run_id: str, days: float) -> None:
    """Put all that is stored of a run, or of none, into the past."""
    events, checks, moment = SqlEventLogStorageTable, AssetCheckExecutionsTable, ago(days)
    event_log, runs = instance.event_log_storage, instance.run_storage
    assert isinstance(event_log, SqlEventLogStorage)
    assert isinstance(runs, SqlRunStorage)
    old = events.update().where(events.c.run_id == run_id).values(timestamp=moment)
    with event_log.index_connection() as connection:
        connection.execute(old)
        of_run = checks.update().where(checks.c.run_id == run_id)
        connection.execute(of_run.values(evaluation_event_timestamp=moment))
    with event_log.run_connection(run_id) as connection:
        connection.execute(old)
    with runs.connect() as connection:
        of_run = RunsTable.update().where(RunsTable.c.run_id == run_id)
        connection.execute(of_run.values(update_timestamp=moment, create_timestamp=moment))


def ago(days: float) -> datetime:
    """As the tables have it: UTC, without saying so."""
    return (datetime.now(timezone.utc) - timedelta(days=days)).replace(tzinfo=None)


def bound(instance: dg.DagsterInstance) -> int:
    """What the job ``retention`` does every night."""
    return forget_old_runs(instance, datetime.now(timezone.utc) - HISTORY)


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def rows(instance: dg.DagsterInstance, table: db.Table) -> int:
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_connection() as connection:
        return connection.execute(db.select(db.func.count()).select_from(table)).scalar_one()


def test_what_is_older_than_30_days_goes_and_what_is_newest_stays(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    instance.add_dynamic_partitions(UPLOADS_PARTITION, ["a", "b"])
    old = make(instance, whole, checked, days_ago=31)
    the_check = make(instance, whole, checked, only=dg.AssetSelection.checks(checked), days_ago=31)
    older_a = make(instance, divided, partition="a", days_ago=40)
    newest_b = make(instance, divided, partition="b", days_ago=31)
    recent = {
        make(instance, whole, days_ago=29),
        make(instance, divided, partition="a"),
    }
    logs = instance.compute_log_manager
    for run_id in (old, newest_b, *recent):
        key = [run_id, "compute_logs", "step"]
        with logs.open_log_stream(key, ComputeIOType.STDOUT) as file:
            assert file is not None
            file.write("said")  # ty: ignore[no-matching-overload]
    asset_events = rows(instance, AssetEventTagsTable)

    assert bound(instance) == 2
    assert run_ids(instance) == recent | {the_check, newest_b}
    assert [path for path in tmp_path.rglob("*") if old in path.name or older_a in path.name] == []
    assert not (tmp_path / "storage" / newest_b).exists()
    # Of an old run that stays nothing is left but what is newest; SQLite has that in its index.
    with dg.DagsterInstance.from_config(instance.root_directory) as later:
        assert len(later.get_records_for_run(newest_b).records) <= 1
        assert len(later.get_records_for_run(max(recent)).records) > 3
    assert rows(instance, AssetEventTagsTable) < asset_events

    assert instance.get_latest_materialization_event(WHOLE)
    assert instance.get_materialized_partitions(DIVIDED) == {"a", "b"}
    (made,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=DIVIDED, asset_partitions=["b"]), limit=2
    ).records
    assert made.run_id == newest_b
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([checked.check_key])
    assert latest[checked.check_key].run_id == the_check
    assert bound(instance) == 0


def test_old_events_of_no_run_go_and_the_newest_stays(instance: dg.DagsterInstance) -> None:
    """A sensor reports results of a check every ten minutes, without a run."""

    def report(days_ago: float) -> None:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=WHOLE, check_name="checked", passed=True, metadata={}
        )
        instance.report_runless_asset_event(evaluation)
        instance.report_runless_asset_event(dg.AssetMaterialization(WHOLE))
        age(instance, RUNLESS_RUN_ID, days_ago)

    for days_ago in (50, 40, 35):
        report(days_ago)
    bound(instance)
    # All of them are old: the newest stays.
    assert rows(instance, AssetCheckExecutionsTable) == 1
    assert instance.get_latest_materialization_event(WHOLE)
    assert len(instance.fetch_materializations(WHOLE, limit=9).records) == 1
    report(0)
    assert rows(instance, AssetCheckExecutionsTable) == 2
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([checked.check_key])
    assert latest[checked.check_key].id == 4


def test_old_ticks_go_as_the_configuration_says(instance: dg.DagsterInstance) -> None:
    """Dagster's daemon deletes them, by the settings that are read here."""

    def ticks() -> list[str]:
        return sorted(tick.status.value for tick in instance.get_ticks("origin", "selector"))

    for status in (TickStatus.SKIPPED, TickStatus.SUCCESS):
        for days in (0.5, 20, 31):
            moment = datetime.now(timezone.utc) - timedelta(days=days)
            instance.create_tick(
                TickData(
                    instigator_origin_id="origin",
                    instigator_name="reconciliation",
                    instigator_type=InstigatorType.SENSOR,
                    status=status,
                    timestamp=moment.timestamp(),
                    run_ids=["a run"] if status is TickStatus.SUCCESS else [],
                    selector_id="selector",
                )
            )
    assert len(ticks()) == 6
    for status, days in instance.get_tick_retention_settings(InstigatorType.SENSOR).items():
        before = (datetime.now(timezone.utc) - timedelta(days=days)).timestamp()
        instance.purge_ticks("origin", "selector", before, [status])
    assert ticks() == ["SKIPPED", "SUCCESS", "SUCCESS"]


def test_an_upload_that_is_forgotten_leaves_no_bytes(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    instance.add_dynamic_partitions(UPLOADS_PARTITION, ["gone", "stays"])
    for upload in ("gone", "stays"):
        make(instance, divided, partition=upload)
    assert forget_runs(instance, "gone") == 1
    assert instance.get_dynamic_partitions(UPLOADS_PARTITION) == ["stays"]
    assert instance.get_materialized_partitions(DIVIDED) == {"stays"}
    holders = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and b"picture of gone" in path.read_bytes()
    ]
    assert holders == []


def test_a_run_that_goes_on_stays(sqlite: dg.DagsterInstance) -> None:
    graph = dg.Definitions(assets=[whole]).resolve_asset_graph()
    job = dg.define_asset_job("both").resolve(asset_graph=graph)
    run = sqlite.create_run_for_job(job)
    assert forget_old_runs(sqlite, datetime.now(timezone.utc) + timedelta(days=1)) == 0
    assert run_ids(sqlite) == {run.run_id}
