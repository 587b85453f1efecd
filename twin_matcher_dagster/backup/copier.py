"""Make a backup of a bucket in which everything goes on.

No lock is taken. Records are written once, after all that they name: so records are listed before
files, and each file is there, or was deleted by an erasure or by the retention. Then the next pass
is of the bucket without that. Whoever was erased before the copy was complete is erased in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from twin_matcher_dagster.backup.contents import (
    PASSING,
    listed,
    named_in,
    names_others,
    tombstones_of,
)
from twin_matcher_dagster.backup.erasing import erase_in, note_erased, take_tombstones
from twin_matcher_dagster.backup.place import Place
from twin_matcher_dagster.backup.record import (
    OBJECTS,
    Backup,
    StoredObject,
    backup_file,
    backup_names,
    new_name,
    object_name,
    read_backup,
)
from twin_matcher_dagster.backup.stored_bucket import StoredBucket
from twin_matcher_dagster.errors import BackupError, ObjectMissingError, RecordError
from twin_matcher_dagster.storage.object_store import ObjectStore

_AT_ONCE = 8
# Erasures and the nightly retention last seconds to minutes.
_PASSES, _PAUSE_SECONDS = 5, 2.0


@dataclass(frozen=True)
class BackupResult:
    """What was done.

    Attributes:
        backup: the new one.
        copied: how many contents were not in the place yet.
        damaged: keys that a record names and that are not in the bucket itself.
        removed: names of older backups that were deleted.
        erased: how many people were erased in older backups.
    """

    backup: Backup
    copied: int
    damaged: tuple[str, ...]
    removed: tuple[str, ...]
    erased: int


def make_backup(
    store: ObjectStore,
    place: Place,
    keep: int,
    retrain_within: timedelta,
    progress: Callable[[float], None] = lambda share: None,
) -> BackupResult:
    """Copy a bucket, complete the copy by its list, and see to the older ones of the place.

    Args:
        store: the bucket; it may be in use.
        place: where to.
        keep: how many backups stay, the new one included.
        retrain_within: after an erasure: when no model in production may know the upload.
        progress: called with the share that is copied, 0 to 1.

    Raises:
        BackupError: the place cannot be written to, or the bucket changes too fast.
        StorageError: one of them does not answer.
    """
    with place.alone() as alive:
        copier = _Copier(store, place, alive, progress)
        bucket, damaged = copier.copy()
        take_tombstones(bucket, store)
        erase_in(bucket, tombstones_of(bucket), retrain_within)
        note_erased(place, tombstones_of(bucket))
        backup = bucket.save()
        kept, removed, erased = _see_to_older_ones(store, place, bucket, keep, retrain_within)
        _delete_unnamed(place, [backup, *kept])
        return BackupResult(backup, len(copier.copied), damaged, removed, erased)


class _Copier:
    """Copies a bucket, in as many passes as it takes."""

    def __init__(
        self,
        store: ObjectStore,
        place: Place,
        alive: Callable[[], None],
        progress: Callable[[float], None],
    ) -> None:
        self._store, self._place = store, place
        self._alive, self._progress = alive, progress
        self._stored = set(place.names(OBJECTS))
        self._known: Mapping[str, StoredObject] = _newest_objects(place)
        self.copied: set[str] = set()

    def copy(self) -> tuple[StoredBucket, tuple[str, ...]]:
        """A copy in which every file is there that a record names, and what is not in the bucket.

        Raises:
            BackupError: the bucket changes too fast.
        """
        before: set[str] = set()
        for left in reversed(range(_PASSES)):
            objects, gone = self._pass(listed(self._store))
            name = new_name(backup_names(self._place))
            bucket = StoredBucket(self._place, Backup(name, self._store.bucket, objects))
            missing = self._missing(bucket)
            # What stays away without anything else that goes is damage, and no erasure.
            if not gone and (not missing or missing == before):
                return bucket, tuple(sorted(missing))
            before = missing
            self._known = objects
            if left:
                time.sleep(_PAUSE_SECONDS)
        raise BackupError(
            "The bucket changes too fast: objects vanish while they are copied. Take the backup "
            "when the erasure or the job `retention` that goes on has ended."
        )

    def _pass(
        self, listing: Mapping[str, Mapping[str, Any]]
    ) -> tuple[dict[str, StoredObject], bool]:
        """Copy what is listed and not known; whether anything was gone by then."""
        objects: dict[str, StoredObject] = {}
        wanted = []
        for key, item in listing.items():
            known = self._known.get(key)
            same = known and (known.etag, known.size) == (item["ETag"], item["Size"])
            if known and same and object_name(known.sha256) in self._stored:
                objects[key] = known
            else:
                wanted.append(key)
        gone = False
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tasks = {pool.submit(self._copy, key): key for key in wanted}
            try:
                for number, task in enumerate(as_completed(tasks), 1):
                    key = tasks[task]
                    try:
                        sha256, size = task.result()
                    except ObjectMissingError:
                        gone = gone or not key.startswith(PASSING)
                    else:
                        objects[key] = StoredObject(sha256, size, listing[key]["ETag"])
                    self._alive()
                    self._progress(number / len(tasks))
            finally:
                pool.shutdown(cancel_futures=True)
        return objects, gone

    def _copy(self, key: str) -> tuple[str, int]:
        data = self._store.get(key)
        sha256 = hashlib.sha256(data).hexdigest()
        name = object_name(sha256)
        if name not in self._stored:
            self._place.write(name, data)
            self._stored.add(name)
            self.copied.add(name)
        return sha256, len(data)

    def _missing(self, bucket: StoredBucket) -> set[str]:
        """Files that records in a copy name, and that are not in it."""
        keys = set(bucket.list(""))
        records = [key for key in keys if names_others(key)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            named = pool.map(lambda key: named_in(bucket.get(key)), records)
            return {one for names in named for one in names} - keys


def _newest_objects(place: Place) -> Mapping[str, StoredObject]:
    """What the newest backup has by key; nothing where it cannot be read: all is copied then."""
    try:
        return read_backup(place).objects
    except BackupError:
        return {}


def _see_to_older_ones(
    store: ObjectStore,
    place: Place,
    newest: StoredBucket,
    keep: int,
    retrain_within: timedelta,
) -> tuple[list[Backup], tuple[str, ...], int]:
    """Delete the oldest backups, and erase in the others who was erased since.

    One that is damaged is deleted: nobody can be erased in it, and nothing restored from it.

    Returns:
        The older ones that stay, names of those that are deleted, and how many people were erased.
    """
    kept: list[Backup] = []
    removed, erased = [], 0
    for position, name in enumerate(backup_names(place)):
        if name == newest.backup.name:
            continue
        whole = position < keep
        if whole:
            try:
                bucket = newest.another(read_backup(place, name))
                take_tombstones(bucket, store)
                erased += erase_in(bucket, tombstones_of(bucket), retrain_within)
                if bucket.changed:
                    bucket.save()
                kept.append(bucket.backup)
            except (BackupError, RecordError):
                whole = False
        if not whole:
            place.delete(backup_file(name))
            removed.append(name)
    return kept, tuple(removed), erased


def _delete_unnamed(place: Place, backups: Sequence[Backup]) -> None:
    """Delete contents that no backup names: of backups that are gone or were not completed.

    Args:
        place: where they are.
        backups: all that are there.
    """
    named = {object_name(one.sha256) for backup in backups for one in backup.objects.values()}
    for name in place.names(OBJECTS):
        if name not in named:
            place.delete(name)
