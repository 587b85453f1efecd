"""The pictures that a reviewer compares: an upload's crops, and portraits of celebrities."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import islice
from threading import Lock

from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.dataset.portrait_file import PortraitFile
from twin_matcher_dagster.dataset.shards import faces_in
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import balanced_versions, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Withdrawn
from twin_matcher_dagster.storage.tombstones import get_tombstone

LARGEST_BYTES, LARGEST_SIDE = 1_000_000, 1024
"""Of a crop. The page writes 160 x 160 pixels of some 40 KB; what else got there came otherwise,
and is not handed to a reviewer's browser."""

PICTURE_WAITS_S = 10.0
"""For the store, with one picture."""
SHOWN_PORTRAITS = 3
"""Of a celebrity: as many as a release has."""

_PNG = b"\x89PNG\r\n\x1a\n"
_KEPT = 200


class Pictures:
    """Reads pictures one at a time.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store, self._lock = store, Lock()
        self._portraits: tuple[str, PortraitFile] | None = None
        self._kept: dict[tuple[str, str], Sequence[bytes]] = {}

    def crop(self, upload_id: str, number: int) -> bytes:
        """A crop of an upload, as PNG.

        Raises:
            ObjectMissingError: there is none, or what is there is no crop.
        """
        store = self._store.within(PICTURE_WAITS_S)
        if get_tombstone(store, upload_id):
            raise ObjectMissingError("The upload was erased.")
        data = store.get(layout.face(upload_id, number))
        if len(data) > LARGEST_BYTES or data[:8] != _PNG or data[12:16] != b"IHDR":
            raise ObjectMissingError("It is no crop.")
        width, height = struct.unpack(">II", data[16:24])
        if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
            raise ObjectMissingError("It is no crop.")
        return data

    def celebrity(self, identity_id: str, number: int) -> bytes:
        """A face of a celebrity, encoded: a portrait of the release, else one of the data set's.

        Raises:
            ObjectMissingError: there are not as many.
        """
        store = self._store.within(PICTURE_WAITS_S)
        faces = self._released(store, identity_id) or self._balanced(store, identity_id)
        if not 0 <= number < len(faces):
            raise ObjectMissingError("There is no such picture.")
        return faces[number]

    def _released(self, store: ObjectStore, identity_id: str) -> Sequence[bytes]:
        head = releases(store).head()
        if head is None or isinstance(head.record, Withdrawn):
            return ()
        key = head.record.portraits
        with self._lock:
            if self._portraits is None or self._portraits[0] != key:
                self._portraits = key, PortraitFile(self._store, key, store)
            file = self._portraits[1]
        return [one.image for one in file.of(identity_id)]

    def _balanced(self, store: ObjectStore, identity_id: str) -> Sequence[bytes]:
        """Of a celebrity whom no release knows yet; a shard is read for it, so it is kept."""
        head = balanced_versions(store).head()
        if head is None:
            return ()
        asked = (head.fingerprint, identity_id)
        with self._lock:
            known = self._kept.get(asked)
        if known is None:
            shards = [
                shard
                for shard in head.record.shards
                if any(person.identity_id == identity_id for person in shard.identities)
            ]
            faces = faces_in(store, shards[:1])
            own = (face.image for face in faces if face.identity_id == identity_id)
            known = list(islice(own, SHOWN_PORTRAITS))
            with self._lock:
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[asked] = known
        return known


def is_known_celebrity(identity_id: str) -> bool:
    """Whether a text is a celebrity's id, by its form."""
    tail = identity_id.removeprefix("c-")
    return is_celebrity(identity_id) and len(tail) == 16 and tail.isalnum()
