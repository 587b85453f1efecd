"""Bucket and Dagster, looked at once: the facts that say what is missing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from twin_matcher_dagster.dataset.versions import note_verdict
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.gates import blocking_checks_of, gate_state
from twin_matcher_dagster.defs.live_work import live_work
from twin_matcher_dagster.defs.reconciliation.recollection import Recollection
from twin_matcher_dagster.errors import ObjectMissingError, RecordError
from twin_matcher_dagster.reconciliation import survey
from twin_matcher_dagster.reconciliation.chain import needs_of
from twin_matcher_dagster.reconciliation.facts import Arrival, Cause, Facts, Need
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import is_waiting, what_is_missing
from twin_matcher_dagster.reconciliation.scan import SCAN_EVERY, scan
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import arrivals, settle

MOST_AT_ONCE = 50
"""Uploads that runs are queued for at once: a tick stays short, and who waits is in the bucket."""
_ABANDONED = timedelta(hours=1)


class Observation:
    """One look at everything.

    Args:
        store: the bucket.
        instance: Dagster's.
        ledger: what the last look handed on.
    """

    def __init__(self, store: ObjectStore, instance: dg.DagsterInstance, ledger: Ledger) -> None:
        self._store, self._instance = store, instance
        self.now = store.now()
        self.live = live_work(instance)
        self.ledger = ledger.seen(self.live, self.now)
        self._erased = survey.erasure_times(store)

    @property
    def erased(self) -> Collection[str]:
        """Ids of all erased uploads."""
        return self._erased.keys()

    def facts(self) -> Facts:
        """All that is asked."""
        needs = self._needs()
        wanted = {need.gate for need in needs if need.gate}
        return Facts(
            now=self.now,
            arrivals=self._arrivals(),
            needs=needs,
            gates={
                one: gate_state(self._instance, blocking_checks_of(one.asset), one.version)
                for one in wanted
            },
            erased_since=self._erased_since(),
            live=self.live,
            busy=self.ledger.busy,
            tries=dict(self.ledger.tries),
            leases=survey.held_leases(self._store),
        )

    def scan(self) -> Recollection:
        """Look at the next uploads of all, where the hour has come; what Dagster does not know."""
        began = self.ledger.scan_began
        begins = not self.ledger.scanned
        if begins:
            if began and began <= self.now < began + SCAN_EVERY:
                return Recollection()
            began = self.now
        scanned = scan(self._store, self.ledger.scanned)
        self.ledger = replace(self.ledger, scanned=scanned.came_to, scan_began=began)
        return Recollection.of(self._store, self._instance, scanned, assets=begins)

    def _arrivals(self) -> dict[str, Arrival]:
        """Who waits; of those whose turn it is, what became of them is asked."""
        times = arrivals(self._store)
        found = {one: Arrival(since, True, False, False) for one, since in times.items()}
        assumed = Facts(self.now, found, live=self.live, tries=dict(self.ledger.tries))
        turns = [one for one in what_is_missing(assumed) if one.due and one.due <= self.now]
        asked = [one.work.subject for one in turns[:MOST_AT_ONCE]]
        for upload_id, one in survey.arrivals_of(self._store, times, self._erased, asked).items():
            found[upload_id] = one
            if one.judged and not one.erased:
                # A run was cut off after the verdict: the data set has to hear of it.
                number = verdicts(self._store, upload_id).head_number()
                note_verdict(self._store, upload_id, number)
            abandoned = not one.committed and self.now - one.since > _ABANDONED
            if one.judged or one.erased or abandoned:
                settle(self._store, upload_id)
        return {upload_id: one for upload_id, one in found.items() if is_waiting(one)}

    def _needs(self) -> tuple[Need, ...]:
        """What is behind. The logs are read where one has another newest entry only."""
        heads, chain = survey.heads_of(self._store), self.ledger.chain
        marks = survey.marks_of(heads, self._erased)
        if chain is None or marks != self.ledger.marks:
            try:
                chain = survey.chain_of(self._store, heads, self._erased)
            except (RecordError, ObjectMissingError) as error:
                times = [head.written for head in heads.values() if head]
                cause = Cause(keys.RAW_FACES, max(times), "an entry cannot be read")
                return (Need(keys.PRODUCTION_RELEASE, (cause,), waits_for=str(error)),)
            self.ledger = replace(self.ledger, marks=marks, chain=chain)
        return needs_of(chain, survey.noted_verdicts(self._store))

    def _erased_since(self) -> datetime | None:
        """When the newest erasure began, unless all of them were completed by one run."""
        event = self._instance.get_latest_materialization_event(dg.AssetKey(keys.ERASURES))
        made = event.asset_materialization if event else None
        completed = (made.tags or {}).get(DATA_VERSION_TAG) if made else None
        if not self._erased or completed == fingerprint(*sorted(self._erased)):
            return None
        return max(self._erased.values())
