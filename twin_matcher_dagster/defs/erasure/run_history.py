"""What Dagster itself remembers: runs, their pictures and logs, of an upload or of long ago."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

import dagster as dg
import sqlalchemy as db
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.tags import PARTITION_NAME_TAG

from twin_matcher_dagster.defs import keys

_T = TypeVar("_T")

# Values in one statement: SQLite takes 32,766, PostgreSQL 65,535.
_BATCH = 10_000
# Of PostgreSQL, where they have what runs say and show.
_TABLES_OF_RUNS = (
    "event_logs",
    "asset_check_executions",
    "asset_event_tags",
    "asset_keys",
    "runs",
    "run_tags",
)

_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def forget_runs(instance: dg.DagsterInstance, upload_id: str) -> int:
    """Delete the runs of an upload with all they showed, and its partition.

    A run that goes on is left alone: it will find that the upload was erased, and the next call
    forgets it.

    Returns:
        How many runs are gone.
    """
    runs = instance.get_runs(
        dg.RunsFilter(tags={PARTITION_NAME_TAG: upload_id}, statuses=list(_ENDED))
    )
    for run in runs:
        _forget(instance, run.run_id)
    if instance.has_dynamic_partition(keys.UPLOADS_PARTITION, upload_id):
        instance.delete_dynamic_partition(keys.UPLOADS_PARTITION, upload_id)
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        _forget_copies(instance, storage, upload_id)
        if runs:
            _wipe_free_space(storage, [run.run_id for run in runs])
    return len(runs)


def forget_old_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the runs that ended before a time, and all events and logs of that time.

    What says how things are now stays: of each asset and partition the newest materialization, of
    each check the newest result, and the bare runs that these are of. Ticks go as dagster.yaml
    says.

    Returns:
        How many runs are gone; 0 where the event log is in no SQL database.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    old = instance.get_run_ids(dg.RunsFilter(statuses=list(_ENDED), updated_before=before))
    newest = _newest(storage)
    gone = [run_id for run_id in old if run_id not in newest.runs]
    bare = [run_id for run_id in old if run_id in newest.runs]
    for run_id in gone:
        _forget(instance, run_id)
    for run_id in bare:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    _forget_events(storage, [*gone, *bare], before, newest)
    if old:
        _wipe_free_space(storage, old)
    return len(gone)


def forget_everything(instance: dg.DagsterInstance) -> None:
    """Delete all that an instance remembers, but logs of runs, which are files; nothing may run."""
    instance.wipe()
    if instance.schedule_storage:
        instance.schedule_storage.wipe()
    if isinstance(instance.event_log_storage, SqlEventLogStorage):
        _wipe_free_space(instance.event_log_storage, [])


@dataclass(frozen=True)
class _Newest:
    """What says how things are now.

    Attributes:
        events: ids of the newest materialization of each asset and partition.
        checks: ids of the newest result of each check.
        runs: the runs that these are of.
    """

    events: frozenset[int]
    checks: frozenset[int]
    runs: frozenset[str]


def _newest(storage: SqlEventLogStorage) -> _Newest:
    events, checks = SqlEventLogStorageTable, AssetCheckExecutionsTable
    made = (
        db.select(db.func.max(events.c.id))
        .where(events.c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value)
        .group_by(events.c.asset_key, events.c.partition)
    )
    checked = db.select(db.func.max(checks.c.id)).group_by(
        checks.c.asset_key, checks.c.check_name, checks.c.partition
    )
    with storage.index_connection() as connection:
        of_events = connection.execute(
            db.select(events.c.id, events.c.run_id).where(events.c.id.in_(made))
        ).all()
        of_checks = connection.execute(
            db.select(checks.c.id, checks.c.run_id).where(checks.c.id.in_(checked))
        ).all()
    return _Newest(
        frozenset(row[0] for row in of_events),
        frozenset(row[0] for row in of_checks),
        frozenset(row[1] for row in (*of_events, *of_checks)),
    )


def _forget_events(
    storage: SqlEventLogStorage, run_ids: Sequence[str], before: datetime, newest: _Newest
) -> None:
    """Delete events of runs, and old ones of no run (a sensor's), all but the newest.

    Compared by id in Python: a database takes only so many values in one statement.
    """
    events, checks = SqlEventLogStorageTable, AssetCheckExecutionsTable
    moment = before.astimezone(timezone.utc).replace(tzinfo=None)
    of_no_run = (events.c.run_id == RUNLESS_RUN_ID) & (events.c.timestamp < moment)
    of_no_run_checks = (checks.c.run_id == RUNLESS_RUN_ID) & (
        checks.c.evaluation_event_timestamp < moment
    )
    with storage.index_connection() as connection:

        def clear(table: db.Table, old: db.ColumnElement[bool], keep: frozenset[int]) -> None:
            found = {row[0] for row in connection.execute(db.select(table.c.id).where(old))}
            for some in _in_batches(sorted(found - keep)):
                connection.execute(table.delete().where(table.c.id.in_(some)))

        clear(events, of_no_run, newest.events)
        clear(checks, of_no_run_checks, newest.checks)
        for some in _in_batches(run_ids):
            clear(events, events.c.run_id.in_(some), newest.events)
            clear(checks, checks.c.run_id.in_(some), newest.checks)
        tags = AssetEventTagsTable
        connection.execute(tags.delete().where(tags.c.event_id.not_in(db.select(events.c.id))))
    if isinstance(storage, SqliteEventLogStorage):
        # Beside the index SQLite has a file for each run, and one for what is of no run.
        with storage.run_connection(RUNLESS_RUN_ID) as connection:
            connection.execute(events.delete().where(of_no_run))


def _in_batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


def _forget(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)


def _forget_copies(
    instance: dg.DagsterInstance, storage: SqlEventLogStorage, upload_id: str
) -> None:
    """Delete what ``delete_run`` leaves: results of checks, and the asset's last event.

    Dagster 1.13 has no call for one partition of an asset (``wipe_asset_partitions`` is not
    implemented for these storages).
    """
    key = dg.AssetKey(keys.USER_FACES)
    newest = instance.fetch_materializations(key, limit=1).records
    checks, assets = AssetCheckExecutionsTable, AssetKeyTable
    with storage.index_connection() as connection:
        connection.execute(checks.delete().where(checks.c.partition == upload_id))
        connection.execute(
            assets.update()
            .where(assets.c.asset_key == key.to_string())
            .values(
                last_materialization=dg.serialize_value(newest[0].event_log_entry)
                if newest
                else None,
                cached_status_data=None,
            )
        )


def _wipe_free_space(storage: SqlEventLogStorage, run_ids: Sequence[str]) -> None:
    """Both databases keep the bytes of deleted rows in their files until the space is used again.

    Tables are written anew. SQLite has a file for each run besides: it goes, and with it what is
    shown of a run that stays (the newest materialization is in the index).
    """
    if isinstance(storage, SqliteEventLogStorage):
        for run_id in run_ids:
            for suffix in ("", "-wal", "-shm"):
                Path(storage.path_for_shard(run_id) + suffix).unlink(missing_ok=True)
        with closing(sqlite3.connect(storage.path_for_shard("index"), timeout=60)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with storage.index_connection() as connection:
        if connection.dialect.name == "postgresql":
            for table in _TABLES_OF_RUNS:
                connection.execute(db.text(f"VACUUM FULL {table}"))
