"""Erasures in backups: whoever was erased stays erased, whichever backup is restored.

The list of a place holds of each erased upload the SHA-256 of its (random) id, and nothing else. It
is written by each backup, and by every erasure where a place is set, so that it knows erasures that
came after the newest backup, and outlives the bucket.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import timedelta

from twin_matcher_dagster.backup.contents import names_others, tombstones_of, uploads_in
from twin_matcher_dagster.backup.place import Place
from twin_matcher_dagster.backup.record import ERASED
from twin_matcher_dagster.backup.stored_bucket import StoredBucket
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import purge_models
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone, put_tombstone


def note_erased(place: Place, uploads: Iterable[str]) -> int:
    """Put uploads on the list of a place; how many are new on it."""
    known = set(place.names(ERASED))
    new = sorted({_mark(one) for one in uploads} - known)
    for name in new:
        place.write(name, b"")
    return len(new)


def erased_by_list(place: Place, uploads: Iterable[str]) -> set[str]:
    """Which of some uploads are on the list of a place."""
    known = set(place.names(ERASED))
    return {one for one in uploads if _mark(one) in known}


def take_tombstones(bucket: StoredBucket, store: ObjectStore) -> None:
    """Bring the tombstones of a bucket into a backup; the first word of each stands."""
    there = tombstones_of(bucket)
    for upload_id, key in tombstones_of(store).items():
        if upload_id not in there:
            bucket.put_new(key, store.get(key))


def erase_in(bucket: StoredBucket, erased: Collection[str], retrain_within: timedelta) -> int:
    """Erase uploads in a backup, with tombstones for those that have none there.

    Models that learnt from them stay as they do in the bucket: the one in production, until the
    time in the tombstone.

    Returns:
        How many were still in it.
    """
    shown, learnt = mentioned(bucket)
    left = (shown | learnt) & set(erased)
    for upload_id in sorted(left):
        if get_tombstone(bucket, upload_id) is None:
            put_tombstone(bucket, upload_id, retrain_within, "")
    for upload_id in sorted(shown & left):
        erase(bucket, upload_id, retrain_within)
    purge_models(bucket)
    return len(shown & left)


def mentioned(bucket: StoredBucket) -> tuple[set[str], set[str]]:
    """Uploads that anything in a backup is of, or names; and those that a model learnt from."""
    shown: set[str] = set()
    learnt: set[str] = set()
    for key in bucket.list(""):
        if not key.startswith(f"{layout.TOMBSTONES}/"):
            found = uploads_in(key)
            if names_others(key):
                found |= uploads_in(bucket.get(key).decode(errors="replace"))
            (learnt if key.startswith(f"{layout.MODELS}/") else shown).update(found)
    return shown, learnt


def _mark(upload_id: str) -> str:
    return f"{ERASED}/{hashlib.sha256(upload_id.encode()).hexdigest()}"
