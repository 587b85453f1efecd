"""The file of portraits of an index, of which one person's can be read alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np

from twin_matcher_dagster.dataset.schema import read_shard
from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.ranges import RangedObject


class Portrait(NamedTuple):
    """A face that stands for somebody.

    Attributes:
        image: the encoded crop.
        yaw: which way the head looks, in degrees, see ``schema.Face``.
    """

    image: bytes
    yaw: float = 0.0


ShownFaces = Mapping[str, Sequence[Portrait]]
"""Identity id -> portraits, the first one is shown first."""

WHOLE_BYTES = 64_000_000
"""A file up to this size is held in memory: some 3,000 people with three portraits of 7 kB. A
larger one stays in the bucket."""
PORTRAITS_SUFFIX = ".safetensors"

_EARLIER = ".parquet"
_KEPT = 1000
# A card without a picture is better than an answer that does not come.
_PATIENCE_S = 2.0
_LOG = logging.getLogger(__name__)


def write_portraits(portraits: ShownFaces) -> bytes:
    """Encode portraits as safetensors; equal ones give equal bytes."""
    from safetensors.numpy import save

    every = [one for own in portraits.values() for one in own]
    tensors = {
        "counts": np.array([len(own) for own in portraits.values()], np.int32),
        "sizes": np.array([len(one.image) for one in every], np.int32),
        "yaws": np.array([one.yaw for one in every], np.float32),
        # Of the smallest type: it stands behind the others, which are read first.
        "images": np.frombuffer(b"".join(one.image for one in every), np.uint8),
    }
    return save(tensors, metadata={"identities": json.dumps(list(portraits))})


def read_portraits(store: ObjectStore, key: str) -> dict[str, tuple[Portrait, ...]]:
    """Everybody's portraits out of a file, of an earlier version too.

    Raises:
        StorageError: it cannot be read.
    """
    found: dict[str, tuple[Portrait, ...]] = {}
    if key.endswith(_EARLIER):
        for face in read_shard(store.get(key)):
            found[face.identity_id] = (
                *found.get(face.identity_id, ()),
                Portrait(face.image, face.yaw),
            )
        return found
    data = store.get(key)
    places, images = _contents(data)
    for who, place in places.items():
        found[who] = place.split(data[images + place.start : images + place.end])
    return found


class _Place(NamedTuple):
    """Where somebody's images begin, among all images, and what is told of each."""

    start: int
    sizes: np.ndarray
    yaws: np.ndarray

    @property
    def end(self) -> int:
        return self.start + int(self.sizes.sum())

    def split(self, data: bytes) -> tuple[Portrait, ...]:
        """Somebody's images, one after the other, as portraits."""
        ends = np.cumsum(self.sizes).tolist()
        told = zip(self.sizes.tolist(), ends, self.yaws.tolist(), strict=True)
        return tuple(Portrait(data[end - size : end], yaw) for size, end, yaw in told)


class PortraitFile:
    """Encoded portraits by identity: of a small file all, of a large one what is asked for.

    Args:
        store: the bucket.
        key: of the file.
        loading: the bucket for what is read now, where that may take longer.

    Raises:
        StorageError: on construction; it cannot be read.
    """

    def __init__(self, store: ObjectStore, key: str, loading: ObjectStore | None = None) -> None:
        self._store, self._lock = store, Lock()
        self._kept: dict[str, tuple[Portrait, ...]] = {}
        self._places: dict[str, _Place] = {}
        if key.endswith(_EARLIER):
            self._kept = read_portraits(loading or store, key)
            return
        self._object = RangedObject(loading or store, key)
        if self._object.size <= WHOLE_BYTES:
            self._kept = read_portraits(loading or store, key)
        else:
            self._places, self._images = _contents(self._object)

    def of(self, identity_id: str) -> tuple[Portrait, ...]:
        """Somebody's portraits; none where they cannot be read now."""
        with self._lock:
            found = self._kept.get(identity_id)
        if found is not None or identity_id not in self._places:
            return found or ()
        place = self._places[identity_id]
        try:
            soon = self._object.through(self._store.within(_PATIENCE_S))
            data = soon[self._images + place.start : self._images + place.end]
        except StorageError as error:
            _LOG.warning("An answer has no portraits: %s", error)
            return ()
        found = place.split(data)
        with self._lock:
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[identity_id] = found
        return found


def _contents(file: bytes | RangedObject) -> tuple[dict[str, _Place], int]:
    """What stands before the images: identity id -> where theirs begin, and how long they are; and
    where all of them begin."""
    head = 8 + int.from_bytes(file[:8], "little")
    about = json.loads(file[8:head])
    identities = json.loads(about["__metadata__"]["identities"])
    numbers = file[head : head + about["images"]["data_offsets"][0]]
    counts, sizes, yaws = (
        np.frombuffer(numbers[slice(*about[name]["data_offsets"])], kind)
        for name, kind in (("counts", np.int32), ("sizes", np.int32), ("yaws", np.float32))
    )
    lasts = np.cumsum(counts)
    starts = np.append(0, np.cumsum(sizes, dtype=np.int64))
    places: dict[str, _Place] = {
        who: _Place(
            int(starts[last - count]), sizes[last - count : last], yaws[last - count : last]
        )
        for who, last, count in zip(identities, lasts.tolist(), counts.tolist(), strict=True)
    }
    return places, head + len(numbers)
