"""By when the model in production has to be another one, because it learnt from erased uploads."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.storage.logs import models, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Withdrawn
from twin_matcher_dagster.storage.tombstones import get_tombstone


class Deadline(NamedTuple):
    """By when the model in production has to be another one.

    Attributes:
        erased_at: when the first upload that it learnt from was erased.
        replace_by: by when; then the release is withdrawn.
        uploads: how many erased uploads it learnt from.
    """

    erased_at: datetime
    replace_by: datetime
    uploads: int


def deadline_of(store: ObjectStore, erased: Collection[str]) -> Deadline | None:
    """The deadline of the model in production; None where it learnt from nobody who was erased.

    Args:
        store: the bucket.
        erased: ids of all erased uploads.
    """
    head = releases(store).head() if erased else None
    if head is None or isinstance(head.record, Withdrawn):
        return None
    try:
        learnt = models(store).read(head.record.model).record.uploads
    except ObjectMissingError:
        return None  # it was purged this moment
    stones = [stone for one in set(learnt) & set(erased) if (stone := get_tombstone(store, one))]
    if not stones:
        return None
    first = min(stones, key=lambda stone: stone.retrain_by)
    return Deadline(first.erased_at, first.retrain_by, len(stones))
