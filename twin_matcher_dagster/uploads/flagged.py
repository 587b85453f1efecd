"""Who waits for a person: a note in the bucket, for as long as the verdict on it is flagged.

Who waits is listed, and nothing else is, however many uploads there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.uploads import Verdict
from twin_matcher_dagster.uploads.arrivals import is_upload_id

MOST_FLAGGED = 1000
"""One page of a listing. With more at once the others are seen as soon as these were decided."""


def note_flag(store: ObjectStore, verdict: Verdict) -> None:
    """Note that an upload waits for a person, or that it does not any more."""
    key = layout.flagged(verdict.upload_id)
    if verdict.state == "flagged":
        store.put_content(key, b"")
    elif any(True for _ in store.list(key, page_size=1)):
        store.delete(key)


def flagged_uploads(store: ObjectStore, first: str = "", last: str = "") -> Mapping[str, datetime]:
    """Ids of uploads that wait for a person, and since when by the store's clock.

    Args:
        store: the bucket.
        first, last: look at ids from the one to the other alone; at all by default.
    """
    prefix = f"{layout.FLAGGED}/"
    # A character short: what is looked for is after what the listing begins behind.
    after = layout.flagged(first[:-1]) if first else ""
    found: dict[str, datetime] = {}
    for item in islice(store.items(prefix, start_after=after), MOST_FLAGGED):
        upload_id = item["Key"].removeprefix(prefix)
        if last and upload_id > last:
            break
        if is_upload_id(upload_id) and upload_id >= first:
            found[upload_id] = item["LastModified"]
    return found
