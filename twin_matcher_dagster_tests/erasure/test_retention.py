"""What is kept, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ulid import ULID

from twin_matcher_dagster.dataset.versions import read_version, update_dataset
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import (
    collect_garbage,
    purge_models,
    rejected_before,
    verdict_numbers,
)
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import NoReleaseError
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import logs_by_folder
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.erasure.conftest import DAY, ON_S3
from twin_matcher_dagster_tests.kit import Kit, contents
from twin_matcher_dagster_tests.records import SCHEMAS, example


def test_the_next_release_takes_the_tainted_model_away(kit: Kit, leaving: str) -> None:
    erase(kit.store, leaving, DAY)
    kit.release(kit.train())
    assert purge_models(kit.store) > 0
    proof = verify(kit.store, leaving)
    assert (proof.left, proof.pending) == ([], [])


@ON_S3
def test_a_release_that_was_not_retrained_in_time_is_withdrawn(kit: Kit, leaving: str) -> None:
    erase(kit.store, leaving, DAY)
    late = datetime.now(timezone.utc) + DAY + timedelta(minutes=1)
    assert purge_models(kit.store, late) > 0
    assert verify(kit.store, leaving).pending == []
    with pytest.raises(NoReleaseError, match="withdrawn"):
        Production(kit.store).finder()
    assert purge_models(kit.store, late) == 0


def test_old_versions_go_and_what_is_in_use_stays(
    kit: Kit, leaving: str, store: ObjectStore
) -> None:
    for _ in range(3):
        kit.celebrities()
        update_dataset(kit.store)
    kit.release(kit.train())
    kit.copied(store)
    later = datetime.now(timezone.utc) + 2 * DAY
    before = len(contents(store))
    newest = list(read_version(store).faces())
    assert collect_garbage(store, keep=1, now=later) > 0
    assert len(contents(store)) < before
    assert list(read_version(store).faces()) == newest
    for folder, log in logs_by_folder(store).items():
        empty = folder in (layout.TRAININGS_DUE, layout.TWINS)
        assert len(list(log.numbers())) == (not empty)
    assert collect_garbage(store, keep=1, now=later) == 0


def test_objects_of_others_are_not_touched(kit: Kit) -> None:
    """A bucket may be shared."""
    others = ["photos/files/" + "0" * 64 + ".jpg", "users/readme.txt", "notes.json", "models/x.bin"]
    for key in others:
        kit.store.put_new(key, b"not ours")
    collect_garbage(kit.store, keep=1, now=datetime.now(timezone.utc) + 2 * DAY)
    assert [kit.store.get(key) for key in others] == [b"not ours"] * len(others)


@ON_S3
def test_what_is_being_written_is_not_taken_for_garbage(kit: Kit) -> None:
    kit.store.put_new(layout.shard(layout.BALANCED, "0" * 64), b"its manifest follows")
    kit.store.put_new(f"{layout.UPLOAD_FACES}/{new_upload_id()}/000.png", b"on its way")
    before = contents(kit.store)
    assert collect_garbage(kit.store, keep=10) == 0
    assert contents(kit.store) == before
    assert collect_garbage(kit.store, keep=10, now=datetime.now(timezone.utc) + 2 * DAY) == 2


def test_a_bucket_of_earlier_versions_is_kept_in_order(bucket: ObjectStore) -> None:
    """Records of every shape, in the logs that they stood in."""
    folders = {
        "RawVersion": layout.RAW,
        "BalancedVersion": layout.BALANCED,
        "DatasetVersion": layout.DATASETS,
        "Model": layout.MODELS,
        "Index": layout.INDEXES,
        "Release": layout.RELEASES,
        "Withdrawn": layout.RELEASES,
    }
    logs = logs_by_folder(bucket)
    for path in sorted(SCHEMAS.glob("*.json")):
        kind, _, shape = path.stem.partition("-")
        if (folder := folders.get(kind)) and not shape.isdigit():  # of schema 1
            log = logs[folder]
            bucket.put_new(log.key(log.head_number() + 1), path.read_bytes())
    bucket.put_new(f"{layout.MEMBERS}/{'7' * 64}.json", example("MemberList-0.1.0"))
    assert collect_garbage(bucket, keep=100) == 0
    later = datetime.now(timezone.utc) + 2 * DAY
    assert collect_garbage(bucket, keep=1, now=later) > 0
    for folder in set(folders.values()):
        assert logs[folder].head_number() > 0
    assert collect_garbage(bucket, keep=1, now=later) == 0


def test_who_was_rejected_long_ago_is_found(kit: Kit) -> None:
    long_ago, then, now = (datetime.now(timezone.utc) + n * DAY for n in (-2, -1, 1))
    old, new = (str(ULID.from_datetime(moment)) for moment in (long_ago, now))
    for upload_id in (old, new):
        kit.judge(upload_id, state="rejected")
    accepted = str(ULID.from_datetime(long_ago))
    kit.judge(accepted, state="rejected")
    kit.judge(accepted)  # a person's word since
    assert rejected_before(kit.store, then) == [old]
    assert set(rejected_before(kit.store, now + DAY)) == {old, new}


def test_the_newest_verdict_stays_and_older_ones_go(kit: Kit) -> None:
    upload_id = kit.member()
    for rows in (4, 5):
        kit.judge(upload_id, rows=rows)
    kit.version()
    assert verdict_numbers(kit.store)[upload_id] == [3, 2, 1]
    collect_garbage(kit.store, keep=1, now=datetime.now(timezone.utc) + 2 * DAY)
    assert verdict_numbers(kit.store)[upload_id] == [3]
    shards = list(kit.store.list(f"{layout.user(upload_id)}/shards/"))
    assert shards == [kit.shard_of(upload_id).key]


def test_wrong_codes_are_forgotten_after_a_day(kit: Kit) -> None:
    kit.store.put_new(f"{layout.ERASURE_TRIES}/{new_upload_id()}/{ULID()}", b"")
    assert collect_garbage(kit.store, keep=10) == 0
    assert collect_garbage(kit.store, keep=10, now=datetime.now(timezone.utc) + 2 * DAY) == 1
    assert list(kit.store.list(f"{layout.ERASURE_TRIES}/")) == []
