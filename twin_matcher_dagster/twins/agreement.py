"""Who agreed to be told of a long-lost twin, and to be shown to them; and who took it back.

The manifest of an upload says that its person agreed, and is never changed. Taking it back is an
object of its own, written once. Both, and the tombstone, are read whenever somebody is shown.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone

from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.manifest import UploadManifest, get_manifest


def agreeing(store: ObjectStore, upload_id: str) -> UploadManifest | None:
    """What an upload says of itself, if its person agrees now; None if not: up to three requests.

    Args:
        store: the bucket.
        upload_id: which.
    """
    if is_withdrawn(store, upload_id) or get_tombstone(store, upload_id):
        return None
    try:
        manifest = get_manifest(store, upload_id)
    except UploadError:
        return None  # gone, or not what this version writes
    return manifest if manifest.long_lost_twin else None


def withdraw_agreement(store: ObjectStore, upload_id: str) -> None:
    """Take it back: from now on this visitor is told of nobody, and shown to nobody as a twin.

    Args:
        store: the bucket.
        upload_id: which; whoever asks has proven that it is theirs.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    body = json.dumps({"withdrawn_at": now}).encode()
    store.put_content(layout.twin_withdrawal(upload_id), body, "application/json")
    # Erased meanwhile: nothing of it stays.
    if get_tombstone(store, upload_id):
        store.delete(layout.twin_withdrawal(upload_id))


def is_withdrawn(store: ObjectStore, upload_id: str) -> bool:
    """Whether somebody took it back."""
    return any(True for _ in store.list(layout.twin_withdrawal(upload_id), page_size=1))


def withdrawn_uploads(store: ObjectStore) -> set[str]:
    """Ids of all uploads whose person took it back."""
    prefix = f"{layout.TWIN_WITHDRAWALS}/"
    return {key.removeprefix(prefix).removesuffix(".json") for key in store.list(prefix)}
