"""Who waits for a verdict: a note in the bucket, from before an upload's commit to its verdict, and
from a person's decision to the verdict that has it.

What waits is listed, and nothing else is: the cost is that of what waits, however many uploads
there are, and no clock and no order of ids decides what is seen. An upload without a note (of an
older page, or whose verdict a person deleted) is found by the scan of all uploads, which writes the
note.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from ulid import ULID

from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.decisions import get_decision

MOST_ARRIVALS = 2000
"""Two pages of a listing. With more at once the others are seen as soon as these have a verdict."""


def announce(store: ObjectStore, upload_id: str) -> None:
    """Say that an upload waits for its verdict, before it is committed: a commit that nobody was
    told of would be found by the next scan only."""
    store.put_content(layout.arrival(upload_id), b"")


def settle(store: ObjectStore, upload_id: str) -> None:
    """Say that an upload waits no more, unless somebody decided otherwise meanwhile."""
    store.delete(layout.arrival(upload_id))
    if has_unheard_decision(store, upload_id):
        announce(store, upload_id)


def has_unheard_decision(store: ObjectStore, upload_id: str) -> bool:
    """Whether the verdict on an upload does not say what was decided of it: one request where
    nothing was."""
    try:
        decided = get_decision(store, upload_id)
        head = verdicts(store, upload_id).head() if decided else None
    except RecordError:
        return False  # a damaged one holds up nobody
    return bool(decided and head and decided.reviewed != head.record.review)


def arrivals(store: ObjectStore) -> Mapping[str, datetime]:
    """Ids of uploads that wait, and since when by the store's clock; some may not be committed."""
    prefix = f"{layout.ARRIVALS}/"
    found = {}
    for item in islice(store.items(prefix), MOST_ARRIVALS):
        upload_id = item["Key"].removeprefix(prefix)
        if is_upload_id(upload_id):
            found[upload_id] = item["LastModified"]
    return found


def is_committed(store: ObjectStore, upload_id: str) -> bool:
    """Whether an upload's manifest is there."""
    return bool(list(store.list(layout.upload_manifest(upload_id), page_size=1)))


def is_upload_id(text: str) -> bool:
    """Whether a part of a key is an upload's id; the bucket may hold somebody else's objects."""
    try:
        ulid = ULID.from_str(text)
        _ = ulid.datetime  # fails for ids of years past 9999
    except ValueError:
        return False
    return str(ulid) == text
