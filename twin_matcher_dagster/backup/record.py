"""What one backup is made of: a list with counts and checksums, whose presence completes it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from twin_matcher_dagster.backup.place import Place
from twin_matcher_dagster.errors import BackupError, RecordError
from twin_matcher_dagster.storage.encoding import parse_json

OBJECTS, BACKUPS, ERASED = "objects", "backups", "erased"
"""The folders of a place."""

BACKUP_SCHEMA = 1
_NAME = re.compile(rf"{BACKUPS}/(\d{{8}}T\d{{6}}\.\d{{6}}Z)\.json")
_TIME = "%Y%m%dT%H%M%S.%fZ"


class StoredObject(NamedTuple):
    """One object of a backup: SHA-256 and bytes of its content, and the ETag that it had."""

    sha256: str
    size: int
    etag: str


@dataclass(frozen=True)
class Backup:
    """A complete backup.

    Attributes:
        name: when it was made, as it is typed: 20261127T200512.123456Z.
        bucket: of which bucket.
        objects: by key.
    """

    name: str
    bucket: str
    objects: Mapping[str, StoredObject]

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(one.size for one in self.objects.values())

    def save(self, place: Place) -> None:
        """Write it: from now on it is there."""
        objects = {key: list(one) for key, one in sorted(self.objects.items())}
        body = {
            "schema": BACKUP_SCHEMA,
            "bucket": self.bucket,
            "count": len(objects),
            "bytes": self.size,
            "sha256": _digest(objects),
            "objects": objects,
        }
        place.write(backup_file(self.name), json.dumps(body).encode())


def new_name(others: Sequence[str]) -> str:
    """Name of a backup that is made now: later than all others, whatever the clock says."""
    now = datetime.now(timezone.utc)
    if others:
        latest = datetime.strptime(max(others), _TIME).replace(tzinfo=timezone.utc)
        now = max(now, latest + timedelta(microseconds=1))
    return now.strftime(_TIME)


def backup_file(name: str) -> str:
    """Where the list of a backup is in a place."""
    return f"{BACKUPS}/{name}.json"


def object_name(sha256: str) -> str:
    """Where a content is in a place."""
    return f"{OBJECTS}/{sha256}"


def backup_names(place: Place) -> list[str]:
    """Names of all complete backups of a place, the newest first."""
    found = (_NAME.fullmatch(name) for name in place.names(BACKUPS))
    return sorted((one[1] for one in found if one), reverse=True)


def read_backup(place: Place, name: str | None = None) -> Backup:
    """Read what a backup is made of.

    Args:
        place: where it is.
        name: which; the newest one if none is named.

    Raises:
        BackupError: there is none, it is damaged, or a newer version made it.
    """
    names = backup_names(place)
    if not names:
        raise BackupError("There is no complete backup. Name the place that one was made in.")
    name = name or names[0]
    if name not in names:
        raise BackupError(f"There is no backup {name}. There are {', '.join(names)}.")
    try:
        body = parse_json(place.read(backup_file(name)))
        if body["schema"] > BACKUP_SCHEMA:
            raise BackupError(f"A newer version made the backup {name}. Update Twin Matcher.")
        objects = body["objects"]
        if body["count"] != len(objects) or body["sha256"] != _digest(objects):
            raise _damaged(name, "its list is not what was written")
        return Backup(
            name, body["bucket"], {key: StoredObject(*one) for key, one in objects.items()}
        )
    except (RecordError, KeyError, TypeError, ValueError) as error:
        raise _damaged(name, "its list cannot be read") from error


def check_backup(place: Place, backup: Backup) -> None:
    """Read all of it.

    Raises:
        BackupError: something is missing or altered.
    """
    for sha256 in {one.sha256 for one in backup.objects.values()}:
        read_object(place, sha256, backup.name)


def read_object(place: Place, sha256: str, name: str) -> bytes:
    """Read a content of a backup.

    Raises:
        BackupError: it is missing or altered.
    """
    try:
        data = place.read(object_name(sha256))
    except BackupError as error:
        raise _damaged(name, str(error).rstrip(".")) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _damaged(name, f"{object_name(sha256)} was altered")
    return data


def _digest(objects: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(objects, sort_keys=True).encode()).hexdigest()


def _damaged(name: str, how: str) -> BackupError:
    return BackupError(f"The backup {name} is damaged: {how}. Take another one of the place.")
