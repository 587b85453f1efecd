"""All uploads, a page at a time: whoever was missed is noted again.

What waits is noted in the bucket when it arrives and when it gets its verdict; the scan is for what
lost its note: an upload of a page of an earlier version, a run that was cut off between a verdict
and its note, a verdict that was deleted or changed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from twin_matcher_dagster.dataset.member_lists import read_list
from twin_matcher_dagster.dataset.versions import note_verdict
from twin_matcher_dagster.errors import ObjectMissingError, RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import dataset_versions, verdicts
from twin_matcher_dagster.storage.manifest_log import number_of
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.dataset import Member, list_of
from twin_matcher_dagster.storage.records.parts import person_of
from twin_matcher_dagster.uploads.arrivals import (
    announce,
    has_unheard_decision,
    is_upload_id,
)
from twin_matcher_dagster.uploads.decisions import decided_uploads
from twin_matcher_dagster.uploads.flagged import flagged_uploads, note_flag

SCANNED_A_TICK = 200
"""At one tick in 5 seconds 144,000 uploads an hour."""
SCAN_EVERY = timedelta(hours=1)
_VERDICT = re.compile(r"users/[0-9A-Z]{26}/versions/\d{8}\.json")


@dataclass(frozen=True)
class Scanned:
    """What a scan looked at.

    Attributes:
        came_to: the key that it came to; empty at the end.
        uploads: ids of the committed uploads.
        judged: those that have a verdict.
    """

    came_to: str = ""
    uploads: tuple[str, ...] = ()
    judged: frozenset[str] = frozenset()


def scan(store: ObjectStore, after: str = "", at_most: int = SCANNED_A_TICK) -> Scanned:
    """Look at the next uploads, in the order of their keys.

    Args:
        store: the bucket.
        after: the key that the last call came to; empty to begin.
        at_most: so many objects.
    """
    prefix = f"{layout.UPLOAD_MANIFESTS}/"
    listed = store.list(prefix, start_after=after, page_size=at_most)
    keys = list(islice(listed, at_most))
    names = {key.removeprefix(prefix).removesuffix(".json"): key for key in keys}
    uploads = [
        name
        for name, key in names.items()
        if is_upload_id(name) and key == layout.upload_manifest(name)
    ]
    judged: dict[str, int] = {}
    if uploads:
        judged, shards = _judged(store, uploads[0], uploads[-1])
        for upload_id in uploads:
            if upload_id not in judged:
                announce(store, upload_id)
        _note_again(store, {one: judged[one] for one in shards if one in uploads})
        _hear_again(store, uploads[0], uploads[-1])
        noted = flagged_uploads(store, uploads[0], uploads[-1])
        # Whoever has a shard was accepted: of these only who is noted all the same is looked at.
        _flag_again(store, {o: n for o, n in judged.items() if o not in shards or o in noted})
    came_to = keys[-1] if len(keys) == at_most else ""
    return Scanned(came_to, tuple(uploads), frozenset(uploads) & judged.keys())


def _judged(store: ObjectStore, first: str, last: str) -> tuple[dict[str, int], set[str]]:
    """Uploads with a verdict: id -> its number; and those that have a shard as well."""
    newest: dict[str, int] = {}
    shards: set[str] = set()
    for key in _keys_of_users(store, first, last):
        upload_id = key.split("/")[1]
        if _VERDICT.fullmatch(key):
            newest[upload_id] = max(newest.get(upload_id, 0), number_of(key))
        elif "/shards/" in key:
            shards.add(upload_id)
    return newest, shards & newest.keys()


def _keys_of_users(store: ObjectStore, first: str, last: str) -> Iterator[str]:
    """Keys of what was made of the uploads of a range; an empty object is no verdict."""
    # A character short: SeaweedFS begins behind a folder of the very name.
    for item in store.items("users/", start_after=layout.user(first[:-1])):
        if item["Key"].split("/")[1] > last:
            return
        if item["Size"]:
            yield item["Key"]


def _note_again(store: ObjectStore, numbers: dict[str, int]) -> None:
    """Note the verdict on uploads that are accepted and are not in the data set."""
    try:
        head = dataset_versions(store).head() if numbers else None
    except RecordError:
        return
    if head is None:
        return  # the first version looks at everybody
    lists: dict[str, dict[str, Member]] = {}

    def is_in(upload_id: str, person: str) -> bool:
        name = list_of(person)
        if name not in lists:
            one = head.record.members.get(name)
            lists[name] = read_list(store, one) if one else {}
        return upload_id in lists[name]

    for upload_id, number in numbers.items():
        # What cannot be read stays out, and holds up nobody.
        with suppress(RecordError, ObjectMissingError):
            if not is_in(upload_id, person_of(upload_id)):
                verdict = verdicts(store, upload_id).read(number).record
                if verdict.shard and not is_in(upload_id, verdict.person):
                    note_verdict(store, upload_id, number)


def _hear_again(store: ObjectStore, first: str, last: str) -> None:
    """Note what was decided of uploads, and their verdict does not have."""
    for upload_id in decided_uploads(store, first, last):
        with suppress(RecordError, ObjectMissingError):
            if has_unheard_decision(store, upload_id):
                announce(store, upload_id)


def _flag_again(store: ObjectStore, numbers: dict[str, int]) -> None:
    """Note who waits for a person, by the newest verdicts."""
    for upload_id, number in numbers.items():
        with suppress(RecordError, ObjectMissingError):
            note_flag(store, verdicts(store, upload_id).read(number).record)
