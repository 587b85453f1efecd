"""The sensor on a real bucket."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster_aws.s3 import S3Resource
from ulid import ULID

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.uploads.sensors import MAX_PER_TICK, new_uploads_sensor
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore


def evaluate(store: ObjectStore, instance: dg.DagsterInstance, cursor: str | None) -> object:
    """What the sensor says."""
    resource = ObjectStoreResource(s3=S3Resource(max_attempts=1), bucket=store.bucket)
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"object_store": resource}
    ) as context:
        return new_uploads_sensor(context)


def tick(
    store: ObjectStore, instance: dg.DagsterInstance, cursor: str | None = None
) -> tuple[list[str], str | None]:
    """One evaluation, its partitions added as the daemon does: upload ids launched, new cursor."""
    result = evaluate(store, instance, cursor)
    if isinstance(result, dg.SkipReason):
        return [], cursor
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, list(request.partition_keys))
    requests = result.run_requests or []
    assert [request.run_key for request in requests] == [r.partition_key for r in requests]
    return [str(request.partition_key) for request in requests], result.cursor


def commit(store: ObjectStore, upload_id: str) -> None:
    store.put_new(layout.upload_manifest(upload_id), b"{}")


def begun(minutes_ago: float) -> str:
    """An upload id that was made some time ago."""
    return str(ULID.from_datetime(datetime.now(timezone.utc) - timedelta(minutes=minutes_ago)))


def test_an_empty_bucket_is_skipped(store: ObjectStore) -> None:
    assert tick(store, dg.DagsterInstance.ephemeral()) == ([], None)


def test_every_upload_is_launched_once(store: ObjectStore) -> None:
    """The system this one re-imagines kept only the last folder's identity."""
    instance = dg.DagsterInstance.ephemeral()
    uploads = [begun(3), begun(2), begun(1)]
    for upload_id in uploads[:2]:
        commit(store, upload_id)
    launched, cursor = tick(store, instance)
    assert launched == uploads[:2]
    assert tick(store, instance, cursor) == ([], cursor)
    commit(store, uploads[2])
    launched, cursor = tick(store, instance, cursor)
    assert launched == uploads[2:]


def test_an_upload_that_was_begun_earlier_and_committed_later_is_seen(store: ObjectStore) -> None:
    instance = dg.DagsterInstance.ephemeral()
    slow, fast = begun(40), begun(1)
    commit(store, fast)
    launched, cursor = tick(store, instance)
    assert launched == [fast]
    commit(store, slow)
    launched, cursor = tick(store, instance, cursor)
    assert launched == [slow]
    assert cursor == fast


def test_many_uploads_are_launched_over_several_ticks(store: ObjectStore) -> None:
    instance = dg.DagsterInstance.ephemeral()
    uploads = sorted(begun(5) for _ in range(MAX_PER_TICK + 7))
    for upload_id in uploads:
        commit(store, upload_id)
    first, cursor = tick(store, instance)
    second, cursor = tick(store, instance, cursor)
    assert first + second == uploads
    assert tick(store, instance, cursor) == ([], cursor)


def test_crops_without_a_manifest_are_not_an_upload(store: ObjectStore) -> None:
    store.put_new(f"uploads/faces/{begun(1)}/000.png", b"half an upload")
    assert tick(store, dg.DagsterInstance.ephemeral()) == ([], None)


def test_foreign_objects_are_ignored(store: ObjectStore) -> None:
    store.put_new(layout.upload_manifest("readme"), b"not ours")
    assert tick(store, dg.DagsterInstance.ephemeral()) == ([], None)


def test_a_silent_store_is_a_reason_to_skip(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    result = evaluate(store, dg.DagsterInstance.ephemeral(), None)
    assert isinstance(result, dg.SkipReason)
    assert "S3 does not answer" in str(result.skip_message)
