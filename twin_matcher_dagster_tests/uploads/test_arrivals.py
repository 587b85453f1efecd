"""Who waits for a verdict, whatever the clocks and the ids say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ulid import ULID

from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.errors import StorageError, UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads import submission
from twin_matcher_dagster.uploads.arrivals import (
    announce,
    arrivals,
    is_committed,
    is_upload_id,
    settle,
)
from twin_matcher_dagster.uploads.submission import refuse_erased
from twin_matcher_dagster_tests.kit import Kit


def test_an_upload_waits_from_before_its_commit_until_its_verdict(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise StorageError("S3 does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(submission, "put_manifest", lost)
        with pytest.raises(StorageError):
            Kit(store).upload()
    (upload_id,) = arrivals(store)
    assert not is_committed(store, upload_id)
    committed = Kit(store).upload()
    assert is_committed(store, committed)
    assert set(arrivals(store)) == {upload_id, committed}
    settle(store, committed)
    settle(store, committed)
    assert set(arrivals(store)) == {upload_id}


def test_since_when_is_what_the_store_says(store: ObjectStore) -> None:
    announce(store, Kit(store).upload())
    (since,) = arrivals(store).values()
    assert abs(since - store.now()) < timedelta(seconds=30)


def test_an_erased_upload_waits_for_nothing(store: ObjectStore) -> None:
    upload_id = Kit(store).upload()
    erase(store, upload_id, timedelta(days=1))
    assert set(arrivals(store)) == set()
    announce(store, upload_id)  # a page that was slow
    with pytest.raises(UploadError, match="was erased"):
        refuse_erased(store, upload_id)
    assert set(arrivals(store)) == set()


def test_objects_of_others_are_passed_over(store: ObjectStore) -> None:
    ours = str(ULID())
    for name in (ours, "readme.txt", ours.lower(), f"{ours}.json", "Z" * 26, "7" + "Z" * 25):
        store.put_new(f"{layout.ARRIVALS}/{name}", b"")
    assert set(arrivals(store)) == {ours}
    assert not is_upload_id("\u00e9" * 26)
