"""What the fixed networks say of the faces of a shard: asked once, and kept beside it.

Training learns from the recogniser's vectors, and the index is made of both. A shard never changes,
so neither does this: one person more costs that person's faces, and nobody else's. It goes where
the shard goes: an erasure deletes a person's folder, and retention what stands beside a shard that
is gone.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath

import numpy as np

from twin_matcher_dagster.dataset.schema import Face, read_shard
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.faces.fixed_networks import LIKENESS, FixedNetwork, recogniser_of
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import ShardEntry
from twin_matcher_dagster.storage.tombstones import get_tombstone

SUFFIX = ".vectors"


def vectors_key(shard_key: str) -> str:
    """Key of the vectors of a shard."""
    return str(PurePosixPath(shard_key).with_suffix(SUFFIX))


def read_with_vectors(
    store: ObjectStore, shard: ShardEntry, recogniser: str
) -> tuple[list[Face], np.ndarray]:
    """The faces of a shard and the recogniser's vectors of them.

    Args:
        store: the bucket.
        shard: which.
        recogniser: as for :func:`~twin_matcher_dagster.faces.recogniser.load_recogniser`. Vectors
            of another one are made anew.

    Returns:
        The faces, and float32 [n, 128], unit vectors.
    """
    return _of_shard(store, shard, recogniser_of(recogniser))


def read_with_likeness(store: ObjectStore, shard: ShardEntry) -> tuple[list[Face], np.ndarray]:
    """The faces of a shard and the likeness network's vectors of them: float32 [n, 128]."""
    return _of_shard(store, shard, LIKENESS)


def _of_shard(
    store: ObjectStore, shard: ShardEntry, network: FixedNetwork
) -> tuple[list[Face], np.ndarray]:
    """The faces of a shard and what a network says of them, which is asked once."""
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    from twin_matcher_dagster.media.images import read_image

    faces = list(read_shard(store.get(shard.key)))
    key = vectors_key(shard.key)
    kept: dict[str, np.ndarray] = {}
    with suppress(ObjectMissingError, SafetensorError):  # not asked yet, or damaged
        kept = load(store.get(key))
    kept = {name: values for name, values in kept.items() if len(values) == len(faces)}
    if network.name in kept:
        return faces, kept[network.name]
    vectors = network.load()([read_image(face.image) for face in faces])
    # Of several recognisers the newest one's stay.
    is_likeness = network.name == LIKENESS.name
    others = {n: v for n, v in kept.items() if (n == LIKENESS.name) != is_likeness}
    store.overwrite(key, save({**others, network.name: vectors}), "application/octet-stream")
    # A person who was erased meanwhile: the tombstone came before the folder was emptied.
    if key.startswith("users/") and get_tombstone(store, key.split("/")[1]):
        store.delete(key)
    return faces, vectors
