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
from twin_matcher_dagster.errors import ObjectExistsError, ObjectMissingError
from twin_matcher_dagster.storage.object_store import ObjectStore


class StoredBucket(ObjectStore):
    """What the bucket was, so that what is done in a bucket can be done here: above all an erasure.

    What is written stays in memory until :meth:`save`, and records that were read once stay too.

    Args:
        place: where the backup is.
        backup: which.
    """

    # No old versions: what is written over something is another content.
    _versioned = False

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
        """What it is now."""
        return replace(self._backup, objects=dict(self._objects))

    @property
    def changed(self) -> bool:
        """Whether it is another one than it was."""
        return self._objects != self._backup.objects

    def save(self) -> Backup:
        """Write it to the place, under the same name."""
        for sha256, data in self._written.items():
            self._place.write(object_name(sha256), data)
        self._backup = self.backup
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

    def put_new(
        self, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Write an object that is not there yet.

        Raises:
            ObjectExistsError: it is there.
        """
        if key in self._objects:
            raise ObjectExistsError(f"{key} exists already.")
        self.overwrite(key, body)

    def overwrite(
        self, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Write an object."""
        sha256 = hashlib.sha256(body).hexdigest()
        self._written[sha256] = body
        self._objects[key] = StoredObject(sha256, len(body), sha256)

    def delete(self, key: str) -> None:
        """Take an object out."""
        self._objects.pop(key, None)
