"""What the recogniser says of a shard, kept beside it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from twin_matcher_dagster.dataset.cached_vectors import (
    read_with_likeness,
    read_with_vectors,
    vectors_key,
)
from twin_matcher_dagster.dataset.versions import read_version, update_dataset
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import collect_garbage
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.recogniser import BUNDLED_FILE, load_recogniser
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket

DAY = timedelta(days=1)


@pytest.fixture
def kit() -> Kit:
    made = Kit(memory_bucket())
    made.celebrities()
    return made


def writes_of(monkeypatch: pytest.MonkeyPatch, store: ObjectStore) -> list[str]:
    """Keys that are written from now on."""
    keys: list[str] = []
    write = store.overwrite

    def note(key: str, body: bytes, content_type: str = "") -> None:
        keys.append(key)
        write(key, body, content_type)

    monkeypatch.setattr(store, "overwrite", note)
    return keys


def test_it_is_what_the_recogniser_says_and_stands_beside_the_shard(kit: Kit) -> None:
    update_dataset(kit.store)
    for shard in read_version(kit.store).shards:
        faces, vectors = read_with_vectors(kit.store, shard, "bundled")
        pixels = [read_image(face.image) for face in faces]
        assert len(faces) == shard.rows > 0
        assert np.allclose(vectors, load_recogniser("bundled")(pixels), atol=1e-5)
        assert vectors_key(shard.key) == shard.key.replace(".parquet", ".vectors")
        assert kit.store.get(vectors_key(shard.key))


def test_it_is_asked_once(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new person costs that person's faces, and nobody else's."""
    update_dataset(kit.store)
    for shard in read_version(kit.store).shards:
        read_with_vectors(kit.store, shard, "bundled")
    upload_id = kit.member()
    written = writes_of(monkeypatch, kit.store)
    for _ in range(2):
        for shard in read_version(kit.store).shards:
            faces, vectors = read_with_vectors(kit.store, shard, "bundled")
            assert (len(faces), vectors.shape) == (shard.rows, (shard.rows, 128))
    (key,) = written
    assert key.startswith(f"{layout.user(upload_id)}/shards/")


def test_what_is_damaged_is_asked_again(kit: Kit) -> None:
    update_dataset(kit.store)
    shard = read_version(kit.store).shards[0]
    _, first = read_with_vectors(kit.store, shard, "bundled")
    kept = kit.store.get(vectors_key(shard.key))
    kit.store.overwrite(vectors_key(shard.key), kept[: len(kept) // 2], "application/octet-stream")
    _, again = read_with_vectors(kit.store, shard, "bundled")
    assert np.array_equal(first, again)
    assert kit.store.get(vectors_key(shard.key)) == kept


def test_another_recogniser_is_asked_anew(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same network under another name: who it is decides, not what it would say."""
    update_dataset(kit.store)
    shard = read_version(kit.store).shards[0]
    _, first = read_with_vectors(kit.store, shard, "bundled")
    written = writes_of(monkeypatch, kit.store)
    for _ in range(2):
        _, second = read_with_vectors(kit.store, shard, str(BUNDLED_FILE))
        assert np.allclose(first, second, atol=1e-5)
    assert written == [vectors_key(shard.key)]
    read_with_vectors(kit.store, shard, "bundled")
    assert len(written) == 2


def test_both_networks_stand_side_by_side(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    update_dataset(kit.store)
    shard = read_version(kit.store).shards[0]
    faces, likeness = read_with_likeness(kit.store, shard)
    pixels = [read_image(face.image) for face in faces]
    assert np.allclose(likeness, load_likeness_network()(pixels), atol=1e-5)
    _, vectors = read_with_vectors(kit.store, shard, "bundled")
    written = writes_of(monkeypatch, kit.store)
    assert np.array_equal(read_with_likeness(kit.store, shard)[1], likeness)
    assert np.array_equal(read_with_vectors(kit.store, shard, "bundled")[1], vectors)
    assert not written


def vectors_of(kit: Kit, upload_id: str) -> list[str]:
    keys = kit.store.list(f"{layout.user(upload_id)}/")
    return [key for key in keys if key.endswith(".vectors")]


def test_an_erased_person_takes_them_along(kit: Kit) -> None:
    upload_id = kit.member()
    kit.release(kit.train())
    assert len(vectors_of(kit, upload_id)) == 1
    erase(kit.store, upload_id, DAY)
    assert not vectors_of(kit, upload_id)
    assert verify(kit.store, upload_id).left == []


def test_a_person_who_is_erased_while_the_recogniser_is_asked_leaves_none(
    kit: Kit, store: ObjectStore
) -> None:
    upload_id = kit.member()
    (shard,) = (one.shard for one in read_version(kit.store).members if one.upload_id == upload_id)
    kit = kit.copied(store)
    begun = []

    def meanwhile(params: dict[str, Any], **_: object) -> None:
        if params["Key"].endswith(".vectors") and not begun:
            begun.append(params["Key"])
            erase(kit.store, upload_id, DAY)

    kit.store.client.meta.events.register("provide-client-params.s3.PutObject", meanwhile)
    read_with_vectors(kit.store, shard, "bundled")
    assert begun == [vectors_key(shard.key)]
    assert not vectors_of(kit, upload_id)
    assert verify(kit.store, upload_id).left == []


def test_they_go_when_their_shard_does(kit: Kit) -> None:
    """Not before, and never those of a shard that is in use."""
    update_dataset(kit.store)
    kit.release(kit.train())
    old = {shard.key for shard in read_version(kit.store).shards}
    kit.celebrities()
    update_dataset(kit.store)
    kit.release(kit.train())
    new = {shard.key for shard in read_version(kit.store).shards}
    assert not old & new
    collect_garbage(kit.store, keep=1)
    assert set(kit.store.list("")) >= {vectors_key(key) for key in old | new}
    collect_garbage(kit.store, keep=1, now=datetime.now(timezone.utc) + 2 * DAY)
    left = {key for key in kit.store.list("") if key.endswith((".vectors", ".parquet"))}
    assert not left & (old | {vectors_key(key) for key in old})
    assert left >= new | {vectors_key(key) for key in new}
