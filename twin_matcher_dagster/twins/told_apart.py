"""Who is known to be two people although the recogniser takes them for one: twins, truly."""

from __future__ import annotations

from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id


class ToldApart:
    """What the operator said of uploads that were flagged for one another; each is read once.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._known: dict[str, frozenset[str]] = {}

    def __call__(self, one: str, other: str) -> bool:
        """Whether the operator accepted one of two uploads that was flagged for the other."""
        return user_id(other) in self._others(one) or user_id(one) in self._others(other)

    def _others(self, upload_id: str) -> frozenset[str]:
        """Identity ids of those whom an upload is like and is not, by the operator's word."""
        if upload_id not in self._known:
            head = verdicts(self._store, upload_id).head()
            is_told = head is not None and head.record.review.decision == "accept"
            self._known[upload_id] = frozenset(head.record.resembles if head and is_told else ())
        return self._known[upload_id]
