"""What is kept, and for how long: old versions go, and what only they named goes with them.

Manifests name the files that they stand on. A file goes before the manifest that named it, so that
whatever cuts this off, the next try finds what is left to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ulid import ULID

from twin_matcher_dagster.dataset.cached_vectors import SUFFIX as VECTORS
from twin_matcher_dagster.dataset.schema import fingerprint
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog, number_of
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import erased_uploads, get_tombstone
from twin_matcher_dagster.uploads.manifest import manifest_key

# A file that no manifest names may be on its way into one that is being written.
GRACE = timedelta(days=1)
# The bucket may hold other people's objects too: only these are ours to delete.
_CONTENT = re.compile(
    r"(celebrities/(raw|balanced)|users/[0-9A-Z]{26}|datasets|models|indexes)"
    r"/(shards|files|members|tables)/[0-9a-f]{64}\.\w+"
)
_CROP = re.compile(r"uploads/faces/[0-9A-Z]{26}/\d{3}\.png")
_VERDICT = re.compile(r"users/([0-9A-Z]{26})/versions/\d{8}\.json")
_OURS = ("celebrities/", "users/", "datasets/", "models/", "indexes/")
_UNFINISHED = (f"{layout.UPLOAD_FACES}/", f"{layout.ERASURE_TRIES}/")

# Folders with a log of versions. What an entry stands on is in the folders after it, by number.
_LOGS = {
    layout.RELEASES: {"face_index": layout.INDEXES},
    layout.INDEXES: {"model": layout.MODELS, "dataset": layout.DATASETS},
    layout.MODELS: {"dataset": layout.DATASETS},
    layout.DATASETS: {"balanced": layout.BALANCED},
    layout.BALANCED: {"raw": layout.RAW},
    layout.RAW: {},
    layout.RETRAINING: {},
}


def files_named(body: Any) -> set[str]:
    """Keys of all content-addressed files that a manifest names."""
    if isinstance(body, str):
        return {body} if _CONTENT.fullmatch(body) else set()
    if isinstance(body, Mapping):
        body = body.values()
    return {key for value in body for key in files_named(value)} if _is_many(body) else set()


def _is_many(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str)


def entries(store: ObjectStore, folder: str) -> Iterator[Manifest]:
    """All manifests of a folder, the newest first."""
    log = ManifestLog(store, layout.log(folder))
    for number in list(log.numbers()):
        yield log.read(number)


def delete_entries(store: ObjectStore, unwanted: Mapping[str, Collection[int]]) -> int:
    """Delete manifests, and before them the files that no other one of these folders names.

    Args:
        store: the bucket.
        unwanted: numbers by folder; all folders whose manifests share files have to be in it.

    Returns:
        How many objects are gone.
    """
    doomed: list[tuple[str, Manifest]] = []
    kept: set[str] = set()
    for folder, numbers in unwanted.items():
        for manifest in entries(store, folder):
            if manifest.number in numbers:
                doomed.append((folder, manifest))
            else:
                kept |= files_named(manifest.body)
    gone = 0
    for folder, manifest in doomed:
        for key in files_named(manifest.body) - kept:
            store.delete(key)
            gone += 1
        ManifestLog(store, layout.log(folder)).delete(manifest.number)
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
    models = {one.number: one for one in entries(store, layout.MODELS)}
    tainted = trained_on(models.values(), set(erased_uploads(store)))
    if not tainted:
        return 0
    releases = ManifestLog(store, layout.log(layout.RELEASES))
    head = releases.head()
    in_production = head.body.get("model") if head else None
    if in_production in tainted:
        if _retrain_by(store, models[in_production]) > now:
            tainted.discard(in_production)
        else:
            releases.append(withdrawn("its model learned from an upload that was erased"))
    unwanted = {
        folder: {one.number for one in entries(store, folder) if one.body.get("model") in tainted}
        for folder in (layout.RELEASES, layout.INDEXES)
    }
    return delete_entries(store, {**unwanted, layout.MODELS: tainted})


def withdrawn(reason: str) -> Mapping[str, Any]:
    """A release that says why there is none."""
    return {"fingerprint": fingerprint(reason), "withdrawn": reason}


def _retrain_by(store: ObjectStore, model: Manifest) -> datetime:
    """When the first of the erased uploads that a model learned from must be out of it."""
    stones = (get_tombstone(store, upload_id) for upload_id in model.body["uploads"])
    return min(stone.retrain_by for stone in stones if stone)


def trained_on(models: Iterable[Manifest], uploads: Collection[str]) -> set[int]:
    """Numbers of the models that learned from any of some uploads."""
    return {one.number for one in models if set(uploads) & set(one.body.get("uploads", []))}


def collect_garbage(store: ObjectStore, keep: int, now: datetime | None = None) -> int:
    """Delete old versions, what only they named, and what was never finished.

    The newest ``keep`` entries of every log stay, and those of the last day, with all that they
    stand on. Of an upload's
    verdicts the newest stays, and shards that a version still names.

    Returns:
        How many objects are gone.
    """
    now = now or datetime.now(timezone.utc)
    kept: dict[str, set[int]] = {folder: set() for folder in _LOGS}
    unwanted: dict[str, set[int]] = {}
    for folder, behind in _LOGS.items():
        found = list(entries(store, folder))
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
                for field, other in behind.items():
                    kept[other].add(_number(one.body.get(field)))
    gone = delete_entries(store, unwanted)
    named = {
        key for folder in _LOGS for one in entries(store, folder) for key in files_named(one.body)
    }
    for key in [key for key in named if key.startswith(f"{layout.MEMBERS}/")]:
        named |= files_named(json.loads(store.get(key)))
    uploads = set(store.list(f"{layout.UPLOAD_MANIFESTS}/"))
    for upload_id, numbers in _verdicts(store).items():
        log = ManifestLog(store, layout.log(layout.user(upload_id)))
        named |= files_named(log.read(numbers[0]).body)
        for number in numbers[1:]:
            log.delete(number)
            gone += 1
    found = [item for prefix in (*_OURS, *_UNFINISHED) for item in store.items(prefix)]
    for item in found:
        key, age = item["Key"], now - item["LastModified"]
        # The recogniser's vectors stay as long as the shard beside which they are.
        shard = key.removesuffix(VECTORS) + ".parquet" if key.endswith(VECTORS) else key
        unnamed = _CONTENT.fullmatch(key) and shard not in named
        # Crops without a manifest: an upload that was never finished, and cannot be any more.
        begun = _CROP.fullmatch(key)
        unfinished = begun and manifest_key(key.split("/")[2]) not in uploads
        tried = key.startswith(f"{layout.ERASURE_TRIES}/")
        if (unnamed or unfinished or tried) and age > GRACE:
            store.delete(key)
            gone += 1
    return gone


def rejected_before(store: ObjectStore, moment: datetime) -> list[str]:
    """Uploads that were begun before a moment and are rejected: nobody needs their pictures."""
    found = []
    for upload_id, numbers in _verdicts(store).items():
        if ULID.from_str(upload_id).datetime < moment:
            verdict = ManifestLog(store, layout.log(layout.user(upload_id))).read(numbers[0])
            if verdict.body.get("state") == "rejected":
                found.append(upload_id)
    return found


def _verdicts(store: ObjectStore) -> dict[str, list[int]]:
    """Numbers of the verdicts on every upload, the newest first."""
    found: dict[str, list[int]] = {}
    for key in store.list("users/"):
        if ours := _VERDICT.fullmatch(key):
            found.setdefault(ours[1], []).append(number_of(key))
    return found


def _number(value: Any) -> int:
    """The number of the entry that another one stands on: given as such, by key, or in a part."""
    if isinstance(value, Mapping):
        return value["number"]
    return number_of(value) if isinstance(value, str) else int(value or 0)
