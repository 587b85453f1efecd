"""What the reference recogniser says of the faces of a shard: asked once, and kept beside it.

Training learns from it and the index is made of it. A shard never changes, so neither does this:
one person more costs that person's faces, and nobody else's. It goes where the shard goes: an
erasure deletes a person's folder, and retention what stands beside a shard that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from twin_matcher_dagster.dataset.schema import Face, read_shard
from twin_matcher_dagster.errors import ObjectMissingError
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
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    faces = list(read_shard(store.get(shard.key)))
    key = vectors_key(shard.key)
    name = f"{recogniser}:"
    try:
        kept = load(store.get(key))
        if name in kept and len(kept[name]) == len(faces):
            return faces, kept[name]
    except (ObjectMissingError, SafetensorError):
        pass  # not asked yet, or damaged
    vectors = _ask(faces, recogniser)
    store.overwrite(key, save({name: vectors}), "application/octet-stream")
    # A person who was erased meanwhile: the tombstone came before the folder was emptied.
    if key.startswith("users/") and get_tombstone(store, key.split("/")[1]):
        store.delete(key)
    return faces, vectors


def _ask(faces: Sequence[Face], recogniser: str) -> np.ndarray:
    from twin_matcher_dagster.faces.recogniser import load_recogniser
    from twin_matcher_dagster.media.images import read_image

    return load_recogniser(recogniser)([read_image(face.image) for face in faces])
