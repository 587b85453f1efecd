"""The bucket, read for what is missing. The cost of a tick does not grow with what is in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.reconciliation.chain import (
    BalancedFact,
    Chain,
    DatasetFact,
    IndexFact,
    ModelFact,
    ReleaseFact,
)
from twin_matcher_dagster.reconciliation.facts import Arrival
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.lease import lease_state
from twin_matcher_dagster.storage.logs import (
    balanced_versions,
    dataset_versions,
    indexes,
    logs_by_folder,
    models,
    pairings,
    releases,
    verdicts,
)
from twin_matcher_dagster.storage.manifest_log import HeadEntry
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.uploads.arrivals import has_unheard_decision, is_committed

MOST_NOTES = 1000
"""One page of a listing: how many verdicts wait is shown up to here."""

Times = Mapping[str, datetime]
Heads = Mapping[str, HeadEntry | None]


def heads_of(store: ObjectStore) -> Heads:
    """The newest entry of each log, by folder; nothing is read."""
    return {folder: log.head_entry() for folder, log in logs_by_folder(store).items()}


def noted_verdicts(store: ObjectStore) -> Times:
    """Uploads whose verdict the data set did not look at, and since when."""
    prefix = f"{layout.CHANGES}/"
    return {
        item["Key"].removeprefix(prefix).split(".")[0]: item["LastModified"]
        for item in islice(store.items(prefix), MOST_NOTES)
    }


def erasure_times(store: ObjectStore) -> Times:
    """Uploads that were erased, and when."""
    prefix = f"{layout.TOMBSTONES}/"
    return {
        item["Key"].removeprefix(prefix).removesuffix(".json"): item["LastModified"]
        for item in store.items(prefix)
    }


def held_leases(store: ObjectStore) -> Times:
    """Leases that are held, and since when; those whose holder was killed are let go."""
    states = {key: lease_state(store, key) for key in layout.LEASES}
    return {key: one.since for key, one in states.items() if one.holder and one.since}


def marks_of(heads: Heads, erased: Times) -> str:
    """The same for as long as :func:`chain_of` would say the same."""
    entries = [f"{folder} {head and (head.number, head.etag)}" for folder, head in heads.items()]
    return fingerprint(*sorted(entries), "erased", *sorted(erased))


def chain_of(store: ObjectStore, heads: Heads, erased: Times) -> Chain:
    """Read the newest entries.

    Raises:
        StorageError: the store does not answer, or one of them cannot be read.
    """
    raw, due, pairs = (heads[one] for one in (layout.RAW, layout.TRAININGS_DUE, layout.TWINS))
    return Chain(
        raw=(raw.number, raw.written) if raw else None,
        balanced=_balanced(store, heads[layout.BALANCED]),
        dataset=_dataset(store, heads[layout.DATASETS]),
        training_due=due.written if due else None,
        model=_model(store, heads[layout.MODELS], erased),
        index=_index(store, heads[layout.INDEXES], erased),
        release=_release(store, heads[layout.RELEASES]),
        paired=pairings(store).read(pairs.number).record.release if pairs else None,
    )


def _balanced(store: ObjectStore, head: HeadEntry | None) -> BalancedFact | None:
    if head is None:
        return None
    record = balanced_versions(store).read(head.number).record
    return BalancedFact(head.written, record.fingerprint, record.raw)


def _dataset(store: ObjectStore, head: HeadEntry | None) -> DatasetFact | None:
    if head is None:
        return None
    version = Version(store, dataset_versions(store).read(head.number))
    return DatasetFact(
        head.written,
        version.fingerprint,
        version.record.balanced.fingerprint,
        _shards({member.upload_id: member.shard.sha256 for member in version.members}),
        version.training_fingerprint,
    )


def _model(store: ObjectStore, head: HeadEntry | None, erased: Times) -> ModelFact | None:
    if head is None:
        return None
    record = models(store).read(head.number).record
    return ModelFact(
        head.written,
        record.fingerprint,
        record.celebrities,
        record.refused.dataset if record.refused else "",
        min((erased[one] for one in record.uploads if one in erased), default=None),
    )


def _index(store: ObjectStore, head: HeadEntry | None, erased: Times) -> IndexFact | None:
    if head is None:
        return None
    record = indexes(store).read(head.number).record
    return IndexFact(
        head.written,
        record.fingerprint,
        _content(record),
        record.model_fingerprint,
        _shards(record.shards),
        any(one in erased for one in record.uploads),
    )


def _shards(shards: Mapping[str, str]) -> str:
    return fingerprint(*(f"{who} {shard}" for who, shard in sorted(shards.items())))


def _release(store: ObjectStore, head: HeadEntry | None) -> ReleaseFact | None:
    if head is None:
        return None
    record = releases(store).read(head.number).record
    if isinstance(record, Withdrawn):
        return ReleaseFact(head.written, (), by_hand=False, number=head.number)
    by_hand = bool(record.override) or record.rolled_back_to is not None
    return ReleaseFact(head.written, _content(record), by_hand, head.number)


def _content(record: Index | Release) -> tuple[str, ...]:
    """What an index and the release of it have in common, whatever their numbers are."""
    return record.basis, record.index, record.portraits, record.answers, record.likeness


def arrivals_of(
    store: ObjectStore, waiting: Times, erased: Times, wanted: Sequence[str]
) -> dict[str, Arrival]:
    """What became of some uploads that were noted as waiting: two requests each, and one of each
    that has a verdict."""
    found = {}
    for upload_id in wanted:
        has_verdict = verdicts(store, upload_id).head_number() > 0
        decided = has_verdict and has_unheard_decision(store, upload_id)
        found[upload_id] = Arrival(
            waiting[upload_id],
            committed=is_committed(store, upload_id),
            judged=has_verdict and not decided,
            erased=upload_id in erased,
            decided=decided,
        )
    return found
