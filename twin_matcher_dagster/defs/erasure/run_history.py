"""What Dagster itself remembers: runs, their pictures and logs, of an upload or of long ago."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.tags import PARTITION_NAME_TAG

from twin_matcher_dagster.defs import keys

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
    if runs and isinstance(storage, SqliteEventLogStorage):
        _wipe_free_pages(storage, [run.run_id for run in runs])
    return len(runs)


def forget_old_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the runs that ended before a time, with their events and logs.

    A run stays that says what there is now: the newest materialization of an asset or of one of its
    partitions, and the newest execution of a check.

    Returns:
        How many runs are gone; 0 where the event log is in no SQL database.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    old = instance.get_run_ids(dg.RunsFilter(statuses=list(_ENDED), updated_before=before))
    needed = _needed_runs(storage)
    gone = [run_id for run_id in old if run_id not in needed]
    checks = AssetCheckExecutionsTable
    for run_id in gone:
        _forget(instance, run_id)
        with storage.index_connection() as connection:
            connection.execute(checks.delete().where(checks.c.run_id == run_id))
    if gone and isinstance(storage, SqliteEventLogStorage):
        _wipe_free_pages(storage, gone)
    return len(gone)


def _needed_runs(storage: SqlEventLogStorage) -> set[str]:
    """The runs whose events say what there is now."""
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
        rows = [
            *connection.execute(db.select(events.c.run_id).where(events.c.id.in_(made))),
            *connection.execute(db.select(checks.c.run_id).where(checks.c.id.in_(checked))),
        ]
    return {row[0] for row in rows}


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


def _wipe_free_pages(storage: SqliteEventLogStorage, run_ids: Sequence[str]) -> None:
    """SQLite keeps the bytes of deleted rows in its file until the space is used again."""
    for run_id in run_ids:
        shard = Path(storage.path_for_shard(run_id))
        for file in shard.parent.glob(f"{shard.name}*"):
            file.unlink(missing_ok=True)
    with closing(sqlite3.connect(storage.path_for_shard("index"), timeout=60)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
