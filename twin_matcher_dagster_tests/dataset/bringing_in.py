"""What each of several processes does, in a module of its own: whoever imports it starts fast."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier

from twin_matcher_dagster.dataset.versions import note_verdict, update_dataset
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore


def bring_in(bucket: str, upload_id: str, start: Barrier) -> None:
    """One process of several that bring an upload in at once."""
    store = ObjectStore.from_environment(bucket)
    number = verdicts(store, upload_id).head_number()
    start.wait(60)
    note_verdict(store, upload_id, number)
    update_dataset(store)
