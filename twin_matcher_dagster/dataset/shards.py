"""Faces in the bucket: shards written, read back, and decoded to pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from twin_matcher_dagster.dataset.schema import Face, read_shard, write_shard
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import Identity, ShardEntry


def put_faces(store: ObjectStore, folder: str, faces: Sequence[Face]) -> ShardEntry:
    """Write faces as one shard of a folder, and describe it for a record."""
    shard = write_shard(faces)
    key = layout.shard(folder, shard.sha256)
    store.put_content(key, shard.data)
    return describe_shard(key, shard.sha256, faces)


def describe_shard(key: str, sha256: str, faces: Sequence[Face]) -> ShardEntry:
    """What a shard holds, and who is in it."""
    counts: dict[str, dict[str, int]] = {}
    first: dict[str, Face] = {}
    for face in faces:
        first.setdefault(face.identity_id, face)
        splits = counts.setdefault(face.identity_id, {})
        splits[face.split] = splits.get(face.split, 0) + 1
    identities = tuple(
        Identity(who, first[who].label, first[who].kind, counts[who]) for who in counts
    )
    return ShardEntry(key, sha256, len(faces), identities)


def faces_in(store: ObjectStore, shards: Iterable[ShardEntry]) -> Iterator[Face]:
    """All faces of some shards; one shard at a time is in memory."""
    for shard in shards:
        yield from read_shard(store.get(shard.key))


def pixels_of(faces: Sequence[Face]) -> np.ndarray:
    """Decode faces: uint8 RGB [n, 160, 160, 3]."""
    from twin_matcher_dagster.faces.alignment import FACE_SIZE
    from twin_matcher_dagster.media.images import read_image

    # One by one into their place: a data set is not to be in memory twice.
    pixels = np.empty((len(faces), FACE_SIZE, FACE_SIZE, 3), np.uint8)
    for place, face in zip(pixels, faces, strict=True):
        place[:] = read_image(face.image)
    return pixels
