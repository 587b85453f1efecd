"""Tombstones: that somebody was erased, and nothing of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from twin_matcher_dagster.errors import ErasureError
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import (
    erased_among,
    erased_uploads,
    get_tombstone,
    put_tombstone,
    refuse_erased_people,
    tombstone_key,
    upload_id_of,
)
from twin_matcher_dagster_tests.records import OTHER, UPLOAD

DAY = timedelta(days=1)


def test_it_reads_back_as_it_was_written(store: ObjectStore) -> None:
    assert get_tombstone(store, UPLOAD) is None
    stone = put_tombstone(store, UPLOAD, DAY, "of the code")
    assert get_tombstone(store, UPLOAD) == stone
    assert (stone.upload_id, stone.code_hash) == (UPLOAD, "of the code")
    assert stone.retrain_by - stone.erased_at == DAY
    stored = json.loads(store.get(tombstone_key(UPLOAD)))
    assert set(stored) == {"erased_at", "retrain_by", "code_hash"}


def test_the_first_word_stands(store: ObjectStore) -> None:
    """Whoever erases again does not win time."""
    first = put_tombstone(store, UPLOAD, DAY, "of the code")
    assert put_tombstone(store, UPLOAD, 9 * DAY, "") == first


def test_who_was_erased(store: ObjectStore) -> None:
    assert erased_uploads(store) == []
    put_tombstone(store, UPLOAD, DAY, "")
    assert erased_uploads(store) == [UPLOAD]
    assert erased_among(store, [OTHER, UPLOAD, OTHER]) == {UPLOAD}
    refuse_erased_people(store, [OTHER])
    with pytest.raises(ErasureError, match="1 uploads were erased while this was made"):
        refuse_erased_people(store, [OTHER, UPLOAD])


@pytest.mark.parametrize("typed", [UPLOAD, UPLOAD.lower(), f"  {UPLOAD}\n"])
def test_an_id_has_one_spelling(typed: str) -> None:
    assert upload_id_of(typed) == UPLOAD


@pytest.mark.parametrize("typed", ["", " ", "../x", "users", UPLOAD[:-1], f"{UPLOAD}0", "é" * 26])
def test_what_is_no_id_never_becomes_a_key(typed: str) -> None:
    with pytest.raises(ErasureError, match="is no upload id"):
        upload_id_of(typed)
