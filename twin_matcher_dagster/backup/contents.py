"""What of a bucket is in a backup, in the order in which it is listed.

What names comes before what is named: a record is written after all that it names, and deleted
after it. So what is listed later has everything that the records listed before name, unless it was
deleted meanwhile, which can be seen: see :mod:`~.backup.copier`.
"""

from __future__ import annotations

import re
from typing import Any

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import CONTENT_KEY

_ID = r"[0-9A-HJKMNP-TV-Z]{26}"
_ID_ALONE = re.compile(_ID)

# Not in a backup: leases, tries of wrong codes, crops of uploads that were not finished.
_NAMING = re.compile(
    rf"(celebrities/(raw|balanced|reviews)|users/{_ID}|datasets|models|retraining|indexes|releases"
    r"|leaderboard|twins)"
    rf"/versions/\d{{8}}\.json|datasets/members/[0-9a-f]{{64}}\.json"
    rf"|datasets/changes/{_ID}\.\d+\.json|uploads/(manifests|decisions)/{_ID}\.json|uploads/(arrivals|flagged)/{_ID}"
    rf"|twins/withdrawn/{_ID}\.json"
)
_CROP = re.compile(rf"uploads/faces/({_ID})/\d{{3}}\.png")
_REST = (layout.ERASURE_TRIES, layout.ALERTS_TOLD, *layout.LEASES)
_OTHERS_OF_OURS = re.compile(
    rf"{layout.ERASURE_TRIES}/{_ID}/.+|{layout.ALERTS_TOLD}|" + "|".join(layout.LEASES)
)
_DEED = re.compile(rf"{layout.AUDIT}/[\w-]+\.json")
_TOMBSTONE = re.compile(rf"{layout.TOMBSTONES}/({_ID})\.json")

PASSING = (f"{layout.CHANGES}/", f"{layout.ARRIVALS}/", f"{layout.FLAGGED}/")
"""What is there until it was dealt with."""

_NAMING_FOLDERS = (
    *(layout.log(one) for one in (layout.TWINS, layout.RELEASES, layout.INDEXES, layout.MODELS)),
    *(layout.log(one) for one in (layout.DATASETS, layout.BALANCED, layout.RAW)),
    *(layout.log(one) for one in (layout.TRAININGS_DUE, layout.REVIEWS, layout.LEADERBOARDS)),
    layout.MEMBERS,
    layout.CHANGES,
    "users",
    layout.DECISIONS,
    layout.UPLOAD_MANIFESTS,
    layout.TWIN_WITHDRAWALS,
    layout.ARRIVALS,
    layout.FLAGGED,
)
_CONTENT_FOLDERS = (
    "celebrities",
    "users",
    layout.MODELS,
    layout.INDEXES,
    layout.UPLOAD_FACES,
    layout.AUDIT,
    layout.TOMBSTONES,
)


def listed(store: ObjectStore) -> dict[str, dict[str, Any]]:
    """What a backup is made of: by key what a listing says. Tombstones come last."""
    found: dict[str, dict[str, Any]] = {}
    for folder in _NAMING_FOLDERS:
        for item in store.items(f"{folder}/"):
            if _NAMING.fullmatch(item["Key"]):
                found[item["Key"]] = item
    for folder in _CONTENT_FOLDERS:
        for item in store.items(f"{folder}/"):
            key = item["Key"]
            crop = _CROP.fullmatch(key)
            committed = crop and layout.upload_manifest(crop[1]) in found
            ours = any(one.fullmatch(key) for one in (CONTENT_KEY, _DEED, _TOMBSTONE))
            if (ours or committed) and key not in found:
                found[key] = item
    return found


def names_others(key: str) -> bool:
    """Whether an object is JSON that names files or people."""
    return _NAMING.fullmatch(key) is not None and not key.startswith(PASSING)


def named_in(body: bytes) -> set[str]:
    """Keys of files that a record or a list names."""
    return {one[0] for one in CONTENT_KEY.finditer(body.decode(errors="replace"))}


def uploads_in(text: str) -> set[str]:
    """Everything in a text that may be an upload's id."""
    return set(_ID_ALONE.findall(text))


def tombstones_of(store: ObjectStore) -> dict[str, str]:
    """Keys of the tombstones of a bucket, by upload."""
    found = (_TOMBSTONE.fullmatch(key) for key in store.list(f"{layout.TOMBSTONES}/"))
    return {one[1]: one[0] for one in found if one}


def everything_of_ours(store: ObjectStore) -> list[str]:
    """Keys of all but tombstones, what names before what is named; not of somebody else's."""
    folders = sorted({one.split("/")[0] for one in (*_NAMING_FOLDERS, *_REST)})
    found = [
        key
        for folder in folders
        for key in store.list(folder)
        if any(one.fullmatch(key) for one in (CONTENT_KEY, _NAMING, _CROP, _OTHERS_OF_OURS))
    ]
    return sorted(found, key=by_what_names)


def by_what_names(key: str) -> tuple[int, str]:
    """Sorts what names before what is named: releases first, and of a log the newest first."""
    if _NAMING.fullmatch(key):
        for rank, folder in enumerate(_NAMING_FOLDERS):
            if key.startswith(f"{folder}/"):
                return rank, key
    return len(_NAMING_FOLDERS), key
