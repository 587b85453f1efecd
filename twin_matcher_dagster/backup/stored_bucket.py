"""A backup as the bucket that it was: read, and written to without changing the place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from twin_matcher_dagster.backup.place import Place
from twin_matcher_dagster.backup.record import (
    Backup,
    StoredObject,
    object_name,
    read_object,
)
from twin_matcher_dagster.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
)
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore, Stored


class StoredBucket(ObjectStore):
    """What the bucket was, so that what is done in a bucket can be done here: above all an erasure.

    What is written stays in memory until :meth:`save`, and records that were read once stay too.

    Args:
        place: where the backup is.
        backup: which.
    """

    def __init__(self, place: Place, backup: Backup) -> None:
        # No client: nothing is asked of S3 here.
        self.client, self.bucket = None, backup.bucket
        self._place, self._backup = place, backup
        self._objects = dict(backup.objects)
        self._written: dict[str, bytes] = {}
        self._records: dict[str, bytes] = {}

    def another(self, backup: Backup) -> StoredBucket:
        """Another backup of the place: what both have is not read twice."""
        made = StoredBucket(self._place, backup)
        made._records = self._records
        return made

    @property
    def backup(self) -> Backup:
        """What it is now; who held a lease here is nobody's business."""
        kept = {key: one for key, one in self._objects.items() if key not in layout.LEASES}
        return replace(self._backup, objects=kept)

    @property
    def changed(self) -> bool:
        """Whether it is another one than it was."""
        return self.backup.objects != self._backup.objects

    def save(self) -> Backup:
        """Write it to the place, under the same name."""
        self._backup = self.backup
        for sha256 in {one.sha256 for one in self._backup.objects.values()} & self._written.keys():
            self._place.write(object_name(sha256), self._written[sha256])
        self._backup.save(self._place)
        return self._backup

    def get(self, key: str) -> bytes:
        """Read an object.

        Raises:
            ObjectMissingError: there is none.
            BackupError: it is not what was written.
        """
        one = self._objects.get(key)
        if one is None:
            raise ObjectMissingError(f"{key} is not in the backup {self._backup.name}.")
        for known in (self._written, self._records):
            if one.sha256 in known:
                return known[one.sha256]
        data = read_object(self._place, one.sha256, self._backup.name)
        if key.endswith(".json"):
            self._records[one.sha256] = data
        return data

    def items(
        self, prefix: str, start_after: str = "", page_size: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Keys under a prefix in order, each with what a listing says of it."""
        found = sorted(key for key in self._objects if key.startswith(prefix) and key > start_after)
        for key in found:
            if one := self._objects.get(key):
                yield {
                    "Key": key,
                    "Size": one.size,
                    "ETag": one.etag,
                    "LastModified": self.now(),
                }

    def now(self) -> datetime:
        """This machine's clock: nobody else writes here."""
        return datetime.now(timezone.utc)

    def read(self, key: str) -> Stored:
        """Read an object, as :meth:`get`, with what it is replaced by."""
        body, now = self.get(key), self.now()
        return Stored(body, self._objects[key].etag, now, now)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Key and content of every object; there are no old versions."""
        for key in self.list(""):
            yield key, self.get(key)

    def put_new(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> str:
        """Write an object that is not there yet.

        Raises:
            ObjectExistsError: it is there.
        """
        if key in self._objects:
            raise ObjectExistsError(f"{key} exists already.")
        self.overwrite(key, body)
        return self._objects[key].etag

    def replace(
        self, key: str, body: bytes, etag: str, content_type: str = "application/json"
    ) -> str:
        """Write over an object that is still the one that was read.

        Raises:
            ObjectChangedError: it is not.
        """
        if key not in self._objects or self._objects[key].etag != etag:
            raise ObjectChangedError(f"{key} was changed.")
        self.overwrite(key, body)
        return self._objects[key].etag

    def overwrite(
        self, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Write an object."""
        sha256 = hashlib.sha256(body).hexdigest()
        self._written[sha256] = body
        self._objects[key] = StoredObject(sha256, len(body), sha256)

    def delete(self, key: str, etag: str = "") -> None:
        """Take an object out; with an ETag, only if it is still that one."""
        if key in self._objects and etag in ("", self._objects[key].etag):
            del self._objects[key]
