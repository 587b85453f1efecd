"""What is kept, and for how long: old versions go, and what only they named goes with them.

Manifests name the files that they stand on. A file goes before the manifest that named it, so that
whatever cuts this off, the next try finds what is left to do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta, timezone

from ulid import ULID

from twin_matcher_dagster.dataset.cached_vectors import SUFFIX as VECTORS
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import (
    indexes,
    logs_by_folder,
    models,
    releases,
    verdicts,
)
from twin_matcher_dagster.storage.manifest_log import Manifest, number_of
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.dataset import decode_members
from twin_matcher_dagster.storage.records.record import CONTENT_KEY, Record
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.storage.records.training import Model
from twin_matcher_dagster.storage.tombstones import erased_uploads, get_tombstone

# A file that no manifest names may be on its way into one that is being written.
GRACE = timedelta(days=1)
# The bucket may hold other people's objects too: only these are ours to delete.
_CROP = re.compile(r"uploads/faces/[0-9A-Z]{26}/\d{3}\.png")
_VERDICT = re.compile(r"users/([0-9A-Z]{26})/versions/\d{8}\.json")
_OURS = ("celebrities/", "users/", "datasets/", "models/", "indexes/")
_UNFINISHED = (f"{layout.UPLOAD_FACES}/", f"{layout.ERASURE_TRIES}/")


def delete_entries(store: ObjectStore, unwanted: Mapping[str, Collection[int]]) -> int:
    """Delete manifests, and before them the files that no other one of these folders names.

    Args:
        store: the bucket.
        unwanted: numbers by folder; all folders whose manifests share files have to be in it.

    Returns:
        How many objects are gone.
    """
    logs = logs_by_folder(store)
    doomed: list[tuple[str, Manifest[Record]]] = []
    kept: set[str] = set()
    for folder, numbers in unwanted.items():
        for entry in logs[folder].entries():
            if entry.number in numbers:
                doomed.append((folder, entry))
            else:
                kept |= entry.record.content_keys()
    gone = 0
    for folder, entry in doomed:
        for key in entry.record.content_keys() - kept:
            store.delete(key)
            gone += 1
        # Another entry may have taken the number, if this was stopped for long.
        logs[folder].delete(entry.number, entry.etag)
        gone += 1
    return gone


def purge_models(store: ObjectStore, now: datetime | None = None) -> int:
    """Delete the models that learned from an upload which was erased since.

    The one in production stays until another one takes its place, or its time is over: then the
    release is withdrawn, and the prediction page says that there is none.

    Returns:
        How many objects are gone.
    """
    now = now or datetime.now(timezone.utc)
    known = {one.number: one for one in models(store).entries()}
    tainted = trained_on(known.values(), set(erased_uploads(store)))
    if not tainted:
        return 0
    head = releases(store).head()
    in_production = _model_of(head.record) if head else 0
    if in_production in tainted:
        if _retrain_by(store, known[in_production].record) > now:
            tainted.discard(in_production)
        else:
            releases(store).append(
                Withdrawn.because("its model learned from an upload that was erased")
            )
    unwanted = {
        layout.RELEASES: {
            one.number for one in releases(store).entries() if _model_of(one.record) in tainted
        },
        layout.INDEXES: {
            one.number for one in indexes(store).entries() if one.record.model in tainted
        },
        layout.MODELS: tainted,
    }
    return delete_entries(store, unwanted)


def _model_of(release: Release | Withdrawn) -> int:
    """Number of a release's model, 0 for none."""
    return 0 if isinstance(release, Withdrawn) else release.model


def _retrain_by(store: ObjectStore, model: Model) -> datetime:
    """When the first of the erased uploads that a model learned from must be out of it."""
    stones = (get_tombstone(store, upload_id) for upload_id in model.uploads)
    return min(stone.retrain_by for stone in stones if stone)


def trained_on(entries: Iterable[Manifest[Model]], uploads: Collection[str]) -> set[int]:
    """Numbers of the models that learned from any of some uploads."""
    return {one.number for one in entries if set(uploads) & set(one.record.uploads)}


def collect_garbage(store: ObjectStore, keep: int, now: datetime | None = None) -> int:
    """Delete old versions, what only they named, and what was never finished.

    The newest ``keep`` entries of every log stay, and those of the last day, with all that they
    stand on. Of an upload's verdicts the newest stays, and shards that a version still names.

    Returns:
        How many objects are gone.
    """
    now = now or datetime.now(timezone.utc)
    logs = logs_by_folder(store)
    kept: dict[str, set[int]] = {folder: set() for folder in logs}
    unwanted: dict[str, set[int]] = {}
    for folder, log in logs.items():
        found = list(log.entries())
        # A new one may be what a run stands on that goes on now.
        new = {
            item["Key"]
            for item in store.items(f"{layout.log(folder)}/")
            if now - item["LastModified"] <= GRACE
        }
        kept[folder] |= {one.number for one in found[:keep]}
        kept[folder] |= {one.number for one in found if one.key in new}
        unwanted[folder] = {one.number for one in found} - kept[folder]
        for one in found:
            if one.number in kept[folder]:
                for other, number in one.record.stands_on().items():
                    kept[other].add(number)
    gone = delete_entries(store, unwanted)
    named: set[str] = set()
    for log in logs.values():
        for one in log.entries():
            named |= one.record.content_keys()
    for key in [key for key in named if key.startswith(f"{layout.MEMBERS}/")]:
        named |= {member.shard.key for member in decode_members(store.get(key)).values()}
    uploads = set(store.list(f"{layout.UPLOAD_MANIFESTS}/"))
    for upload_id, numbers in verdict_numbers(store).items():
        log = verdicts(store, upload_id)
        named |= log.read(numbers[0]).record.content_keys()
        for number in numbers[1:]:
            log.delete(number)
            gone += 1
    found = [item for prefix in (*_OURS, *_UNFINISHED) for item in store.items(prefix)]
    for item in found:
        key, age = item["Key"], now - item["LastModified"]
        # The recogniser's vectors stay as long as the shard beside which they are.
        shard = key.removesuffix(VECTORS) + ".parquet" if key.endswith(VECTORS) else key
        unnamed = CONTENT_KEY.fullmatch(key) and shard not in named
        # Crops without a manifest: an upload that was never finished, and cannot be any more.
        begun = _CROP.fullmatch(key)
        unfinished = begun and layout.upload_manifest(key.split("/")[2]) not in uploads
        tried = key.startswith(f"{layout.ERASURE_TRIES}/")
        if (unnamed or unfinished or tried) and age > GRACE:
            store.delete(key)
            gone += 1
    return gone


def rejected_before(store: ObjectStore, moment: datetime) -> list[str]:
    """Uploads that were begun before a moment and are rejected: nobody needs their pictures."""
    found = []
    for upload_id, numbers in verdict_numbers(store).items():
        if ULID.from_str(upload_id).datetime < moment:
            verdict = verdicts(store, upload_id).read(numbers[0])
            if verdict.record.state == "rejected":
                found.append(upload_id)
    return found


def verdict_numbers(store: ObjectStore) -> dict[str, list[int]]:
    """Numbers of the verdicts on every upload, the newest first."""
    found: dict[str, list[int]] = {}
    for item in store.items("users/"):
        ours = _VERDICT.fullmatch(item["Key"])
        if ours and item["Size"]:
            found.setdefault(ours[1], []).append(number_of(item["Key"]))
    return found
