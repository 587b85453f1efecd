"""The file of portraits: whole where it is small, one person's at a time where it is large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from twin_matcher_dagster.dataset import portrait_file
from twin_matcher_dagster.dataset.portrait_file import (
    Portrait,
    PortraitFile,
    read_portraits,
    write_portraits,
)
from twin_matcher_dagster.dataset.schema import Face, write_shard
from twin_matcher_dagster.errors import StoreAwayError
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.ranges import RangedObject
from twin_matcher_dagster_tests.memory import memory_bucket

PORTRAITS: Mapping[str, tuple[Portrait, ...]] = {
    "c-a": (Portrait(b"first" * 9000, 1.5), Portrait(b"second", -20), Portrait(b"third" * 7)),
    "u-b": (),
    "c-c": (Portrait(b"x", 0.25),),
    "u-d": (Portrait(b"last" * 20000), Portrait(b"", 7)),
}
KEY = "indexes/files/portraits.safetensors"


@pytest.fixture
def bucket(store: ObjectStore) -> ObjectStore:
    store.put_new(KEY, write_portraits(PORTRAITS))
    return store


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Ranges that the bucket is asked for."""
    ranges: list[tuple[int, int]] = []
    ask = RangedObject._ask

    def note(self: RangedObject, start: int, end: int) -> tuple[bytes, str]:
        ranges.append((start, end))
        return ask(self, start, end)

    monkeypatch.setattr(RangedObject, "_ask", note)
    return ranges


def test_what_was_written_is_read(bucket: ObjectStore) -> None:
    assert read_portraits(bucket, KEY) == PORTRAITS
    assert write_portraits(read_portraits(bucket, KEY)) == write_portraits(PORTRAITS)


def test_a_small_file_is_read_once(bucket: ObjectStore, asked: list[tuple[int, int]]) -> None:
    file = PortraitFile(bucket, KEY)
    asked.clear()
    assert {who: file.of(who) for who in PORTRAITS} == PORTRAITS
    assert file.of("c-stranger") == ()
    assert not asked


def test_of_a_large_file_one_persons_are_read(
    bucket: ObjectStore, asked: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portrait_file, "WHOLE_BYTES", 1000)
    file = PortraitFile(bucket, KEY)
    assert max(end for _, end in asked) < len(write_portraits(PORTRAITS))
    asked.clear()
    for _ in range(2):
        assert file.of("u-d") == PORTRAITS["u-d"]
    assert len(asked) == 1  # and kept
    assert {who: file.of(who) for who in PORTRAITS} == PORTRAITS
    assert file.of("c-stranger") == ()


def test_no_more_than_some_are_kept(bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portrait_file, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(portrait_file, "_KEPT", 2)
    file = PortraitFile(bucket, KEY)
    for _ in range(2):
        assert {who: file.of(who) for who in PORTRAITS} == PORTRAITS
    assert len(file._kept) == 2


def test_while_the_store_is_away_cards_have_no_pictures(
    bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portrait_file, "WHOLE_BYTES", 1000)
    file = PortraitFile(bucket, KEY)

    def away(seconds: float) -> ObjectStore:
        raise StoreAwayError("It does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(bucket, "within", away)
        assert file.of("u-d") == ()
    assert file.of("u-d") == PORTRAITS["u-d"]


def test_a_file_of_an_earlier_version_is_read() -> None:
    store, key = memory_bucket(), "indexes/files/portraits.parquet"
    face = Face(b"one", "Ana", "c-a", "celebrity", "", "train")
    faces = [face, replace(face, image=b"two"), replace(face, identity_id="c-b", image=b"three")]
    store.put_new(key, write_shard(faces).data)
    file = PortraitFile(store, key)
    assert (file.of("c-a"), file.of("c-b")) == (
        (Portrait(b"one"), Portrait(b"two")),
        (Portrait(b"three"),),
    )
