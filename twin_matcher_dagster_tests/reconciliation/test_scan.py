"""The scan: a page at a time, and what lost its note has one again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from ulid import ULID

from twin_matcher_dagster.dataset.versions import update_dataset
from twin_matcher_dagster.reconciliation import survey
from twin_matcher_dagster.reconciliation.scan import scan
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import arrivals
from twin_matcher_dagster.uploads.flagged import flagged_uploads
from twin_matcher_dagster_tests.kit import Kit

NOW = datetime.now(timezone.utc)
A_TICK = 20
UPLOADS = 2 * A_TICK + 10


@pytest.fixture(scope="module")
def busy(_aws: None) -> Iterator[ObjectStore]:
    """A bucket with fifty uploads with a verdict and a shard each, one every minute up to now."""
    store = ObjectStore.from_environment(f"busy-{secrets.token_hex(6)}")
    store.client.create_bucket(Bucket=store.bucket)
    uploads = [str(ULID.from_datetime(NOW - timedelta(minutes=ago))) for ago in range(UPLOADS)]
    keys = [layout.upload_manifest(one) for one in uploads]
    keys += [f"{layout.log(layout.user(one))}/99999998.json" for one in uploads]
    keys += [layout.shard(layout.user(one), "0" * 64) for one in uploads]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put_new(key, b"{}"), keys))
    yield store


def counted(store: ObjectStore) -> tuple[ObjectStore, list[object]]:
    """The same bucket, and the requests that are sent to it from now on."""
    same = ObjectStore.from_environment(store.bucket)
    requests: list[object] = []
    same.client.meta.events.register(
        "before-send.s3", lambda request, **_: requests.append(request)
    )
    return same, requests


def test_what_waits_is_seen_at_one_cost_however_many_there_are(busy: ObjectStore) -> None:
    store, requests = counted(busy)
    assert len(arrivals(store)) == 0
    survey.heads_of(store)
    survey.noted_verdicts(store)
    survey.erasure_times(store)
    assert len(requests) == 11


def test_a_scan_looks_at_a_page_and_goes_on_from_there(busy: ObjectStore) -> None:
    store, requests = counted(busy)
    came_to, pages = scan(store, at_most=A_TICK).came_to, 1
    # The page, what was made of its uploads, the data set's head, what was decided, who is flagged.
    assert len(requests) == 5
    while came_to:
        came_to, pages = scan(store, came_to, A_TICK).came_to, pages + 1
    assert pages == UPLOADS // A_TICK + 1
    assert len(arrivals(store)) == 0  # all have a verdict


def test_an_upload_without_a_verdict_waits_again(store: ObjectStore) -> None:
    kit = Kit(store)
    waits, flagged = kit.upload(), kit.upload()
    kit.judge(flagged, state="flagged")
    for upload_id in (waits, flagged):
        store.delete(layout.arrival(upload_id))
    for name in (waits, f"{waits.lower()}.json", "readme.txt", f"{'Z' * 26}.json"):
        store.put_new(f"{layout.UPLOAD_MANIFESTS}/{name}", b"{}")
    scanned = scan(store)
    assert scanned.came_to == ""
    assert set(scanned.uploads) == {waits, flagged}
    assert scanned.judged == {flagged}
    assert set(arrivals(store)) == {waits}


def test_a_damaged_verdict_holds_up_nobody(store: ObjectStore) -> None:
    kit = Kit(store)
    kit.celebrities()
    kit.member()
    damaged, lost = kit.upload(), kit.upload()
    for upload_id in (damaged, lost):
        kit.judge(upload_id, noted=False)
    store.overwrite(f"{layout.log(layout.user(damaged))}/99999998.json", b"{")
    assert scan(store).came_to == ""
    assert set(survey.noted_verdicts(store)) == {lost}


def test_who_waits_for_a_person_is_noted_again(store: ObjectStore) -> None:
    """Verdicts of an earlier version, and a run that was cut off before it noted them."""
    kit = Kit(store)
    kit.celebrities()
    waits, decided, rejected = kit.upload(), kit.upload(), kit.upload()
    kit.judge(waits, state="flagged", noted=False)
    kit.judge(decided, state="flagged")
    kit.judge(decided, noted=False)
    kit.judge(rejected, state="rejected", noted=False)
    assert set(flagged_uploads(store)) == {decided}
    assert scan(store).came_to == ""
    assert set(flagged_uploads(store)) == {waits}
    assert set(flagged_uploads(store, waits, waits)) == {waits}
    assert not flagged_uploads(store, decided, rejected)


def test_another_clip_is_in_by_its_person(store: ObjectStore) -> None:
    kit = Kit(store)
    kit.celebrities()
    first = kit.member()
    other, lost = kit.upload(), kit.upload()
    kit.judge(other, another_of=first)
    update_dataset(store)
    kit.judge(lost, another_of=first, noted=False)
    assert scan(store).came_to == ""
    assert set(survey.noted_verdicts(store)) == {lost}
