"""Bring a backup back into a bucket, without those who were erased since.

They are taken out before anything is written: their bytes never reach the bucket. What is named is
written before what names it, releases last, so that nothing of a restore that is cut off is half.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from twin_matcher_dagster.backup.contents import (
    by_what_names,
    everything_of_ours,
    names_others,
    tombstones_of,
)
from twin_matcher_dagster.backup.erasing import (
    erase_in,
    erased_by_list,
    mentioned,
    take_tombstones,
)
from twin_matcher_dagster.backup.place import Place
from twin_matcher_dagster.backup.record import Backup, check_backup, read_backup
from twin_matcher_dagster.backup.stored_bucket import StoredBucket
from twin_matcher_dagster.errors import BackupError
from twin_matcher_dagster.storage.object_store import ObjectStore

_AT_ONCE = 8


@dataclass(frozen=True)
class RestoreResult:
    """What was done.

    Attributes:
        backup: which was restored, as it was made.
        objects: how many objects were written.
        erased: how many people of it were erased since, and are left out.
    """

    backup: Backup
    objects: int
    erased: int


def restore_backup(
    store: ObjectStore,
    place: Place,
    name: str | None,
    retrain_within: timedelta,
    *,
    replace: bool,
    progress: Callable[[float], None] = lambda share: None,
) -> RestoreResult:
    """Write a backup into a bucket that nothing runs on.

    Args:
        store: the bucket.
        place: where the backup is.
        name: which; the newest one if none is named.
        retrain_within: after this time no model that learned from somebody who was erased since may
            be in production.
        replace: whether what is in the bucket is deleted before.
        progress: called with the share that is written, 0 to 1.

    Raises:
        BackupError: the backup is damaged, or the bucket is not empty.
    """
    backup = read_backup(place, name)
    check_backup(place, backup)
    there = everything_of_ours(store)
    if there and not replace:
        raise BackupError(
            f"The bucket {store.bucket} is not empty. Give --replace to delete what is in it."
        )
    bucket = StoredBucket(place, backup)
    take_tombstones(bucket, store)
    shown, learnt = mentioned(bucket)
    erased = set(tombstones_of(bucket)) | erased_by_list(place, shown | learnt)
    count = erase_in(bucket, erased, retrain_within)
    for key in there:
        store.delete(key)
    keys = sorted(bucket.list(""), key=by_what_names, reverse=True)
    records = [key for key in keys if names_others(key)]
    contents = [key for key in keys if not names_others(key)]

    def write(key: str) -> None:
        # Tombstones of the bucket stayed.
        store.put_content(key, bucket.get(key))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, _ in enumerate(pool.map(write, contents), 1):
            progress(number / len(keys))
    # One after another: each stands on those before it.
    for number, key in enumerate(records, len(contents) + 1):
        write(key)
        progress(number / len(keys))
    return RestoreResult(backup, len(keys), count)
