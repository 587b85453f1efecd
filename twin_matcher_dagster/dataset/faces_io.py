"""Shards in the bucket to arrays in memory: where storage, identities and faces meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from twin_matcher_dagster.dataset.schema import Face, read_shard, write_shard
from twin_matcher_dagster.dataset.shards import ShardEntry
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore


def faces_of(store: ObjectStore, dataset: Mapping[str, Any]) -> Iterator[Face]:
    """All faces of a data set, shard by shard.

    Args:
        store: the bucket.
        dataset: body of a data set's manifest.
    """
    for shard in dataset["shards"]:
        yield from read_shard(store.get(shard["key"]))


def put_faces(store: ObjectStore, folder: str, faces: Sequence[Face]) -> ShardEntry:
    """Write faces as one shard of a folder, and describe it for a manifest."""
    shard = write_shard(faces)
    key = layout.shard(folder, shard.sha256)
    store.put_content(key, shard.data)
    return ShardEntry.of(key, shard.sha256, faces)


def pixels_of(faces: Sequence[Face]) -> np.ndarray:
    """Decode faces: uint8 RGB [n, 160, 160, 3]."""
    from twin_matcher_dagster.faces.alignment import FACE_SIZE
    from twin_matcher_dagster.media.images import read_image

    # One by one into their place: a data set is not to be in memory twice.
    pixels = np.empty((len(faces), FACE_SIZE, FACE_SIZE, 3), np.uint8)
    for place, face in zip(pixels, faces, strict=True):
        place[:] = read_image(face.image)
    return pixels
