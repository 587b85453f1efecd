"""Whether anything can follow that leads to a release, and what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from twin_matcher_dagster.defs.reconciliation.observation import Observation
from twin_matcher_dagster.defs.reconciliation.report import work_in_words
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import Missing, what_is_missing
from twin_matcher_dagster.release.promotion import (
    WAY_OUT,
    compare_with_release,
    describe,
    refused_index,
)
from twin_matcher_dagster.storage.logs import models
from twin_matcher_dagster.storage.object_store import ObjectStore


@dataclass(frozen=True)
class Outlook:
    """What the sensor `reconciliation` would say now.

    Attributes:
        follows: whether something that is missing goes on, or will be launched.
        reasons: why what is missing is not there, a sentence each; empty where nothing is missing.
    """

    follows: bool
    reasons: tuple[str, ...] = ()


class Lookout:
    """Looks at the bucket and at Dagster, from now on.

    Args:
        store: the bucket.
        instance: Dagster's.
    """

    def __init__(self, store: ObjectStore, instance: dg.DagsterInstance) -> None:
        self._store, self._instance = store, instance
        self._ledger = Ledger()
        self._refused_before = _refused(store)

    def outlook(self) -> Outlook:
        """What is missing, and a model that was refused since the beginning."""
        seen = Observation(self._store, self._instance, self._ledger)
        missing = what_is_missing(seen.facts())
        self._ledger = seen.ledger
        return outlook_of(missing, self.refusal())

    def refusal(self) -> str:
        """Why the newest training's model gave way since the beginning; empty where none did."""
        number = _refused(self._store)
        if number in (0, self._refused_before):
            return ""
        index = refused_index(self._store)
        if index is None:
            return ""
        found = describe(compare_with_release(self._store, index.record))
        return f"The new model was refused; the one in production is used. {found} {WAY_OUT}"


def outlook_of(missing: Sequence[Missing], refusal: str) -> Outlook:
    """What is to be expected.

    Args:
        missing: what the reconciliation finds.
        refusal: why a model was refused; empty for none.
    """
    follows = any(one.state != "held up" for one in missing)
    reasons = tuple(
        f"{work_in_words(one.work)} is missing: {one.why.rstrip('.')}." for one in missing
    )
    # What waits for another model waits because of the refusal.
    return Outlook(follows, (refusal,) if refusal else reasons)


def _refused(store: ObjectStore) -> int:
    """Number of the model that gave way to the newest one; 0 where none did."""
    head = models(store).head()
    return head.record.refused.model if head and head.record.refused else 0
