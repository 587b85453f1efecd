"""Take an upload out of everything, and prove it.

A tombstone comes first: it holds nobody's data and keeps a late retry from bringing the upload
back. Then everything that was made of the upload goes, the history included. Every step can be done
again, so an erasure that was cut off is completed by the next try, and Dagster tries by itself.

One thing stays for a while: the weights of the model in production, where they learned from the
upload too. The index no longer holds it, so nobody is shown it; a retraining is on its way, and at
the time in the tombstone the release is withdrawn if that has not come.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ulid import ULID

from twin_matcher_dagster.dataset import list_of, without
from twin_matcher_dagster.errors import ErasureError, ObjectMissingError, UploadError
from twin_matcher_dagster.identities.names import user_id
from twin_matcher_dagster.identities.schema import fingerprint, read_shard, write_shard
from twin_matcher_dagster.intake import erasure_hash
from twin_matcher_dagster.retention import delete_entries, entries
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import Manifest, ManifestLog, encode
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import (
    Tombstone,
    erased_uploads,
    get_tombstone,
    put_tombstone,
)
from twin_matcher_dagster.storage.uploads import face_folder, get_manifest, manifest_key

TRIES_AN_HOUR = 5
MAX_CODE = 100


@dataclass
class Erased:
    """What an erasure did.

    Attributes:
        tombstone: that stays.
        deleted: how many objects are gone.
        rewritten: how many versions of the data set were written without the upload.
        pending: whether the model in production learned from it: until when it must be replaced.
    """

    tombstone: Tombstone
    deleted: int = 0
    rewritten: int = 0
    pending: datetime | None = None


def erase_with_code(
    store: ObjectStore, upload_id: str, code: str, retrain_within: timedelta
) -> Erased:
    """Erase for the person who was given the code.

    A wrong code, and an upload that there never was, get the same answer after the same work. Every
    try is noted before its code is looked at: five an hour, then one has to wait.

    Raises:
        ErasureError: wrong code, no such upload, or too many tries.
    """
    wrong = ErasureError(
        "This upload id and this code do not belong together. Check both: the code is twenty "
        "letters and digits; case, spaces and hyphens do not matter."
    )
    try:
        known = str(ULID.from_str(upload_id.strip().upper()))
    except ValueError as error:
        raise wrong from error
    _count_try(store, known)
    stone = get_tombstone(store, known)
    try:
        expected = stone.code_hash if stone else get_manifest(store, known).erasure_hash
    except UploadError:
        expected = ""
    given = erasure_hash(known, code[:MAX_CODE])
    if not hmac.compare_digest(given, expected or "0" * len(given)):
        raise wrong
    return erase(store, known, retrain_within)


def _count_try(store: ObjectStore, upload_id: str) -> None:
    """Note a try with a code.

    Raises:
        ErasureError: there were too many within the hour.
    """
    prefix = f"{layout.ERASURE_TRIES}/{upload_id}/"
    now = ULID()
    begin = ULID.from_datetime(now.datetime - timedelta(hours=1))
    store.put_new(f"{prefix}{now}", b"")
    if len(list(store.list(prefix, start_after=f"{prefix}{begin}"))) > TRIES_AN_HOUR:
        raise ErasureError("Too many wrong codes for this upload. Try again in an hour.")


def erase(store: ObjectStore, upload_id: str, retrain_within: timedelta) -> Erased:
    """Take an upload out; done again, it completes what an earlier try left.

    Args:
        store: the bucket.
        upload_id: which; whoever calls has seen to it that this is wanted.
        retrain_within: after this time no model that learned from it may be in production.

    Raises:
        ErasureError: there never was such an upload.
    """
    tombstone = put_tombstone(store, upload_id, retrain_within)
    done = Erased(tombstone)
    for prefix in (
        manifest_key(upload_id),
        face_folder(upload_id),
        layout.change_prefix(upload_id),
        f"{layout.user(upload_id)}/",
        f"{layout.ERASURE_TRIES}/{upload_id}/",
    ):
        for key in list(store.list(prefix)):
            store.delete(key)
            done.deleted += 1
    _erase_from_datasets(store, upload_id, done)
    _erase_from_verdicts(store, upload_id)
    done.deleted += _erase_from_release(store, upload_id)
    done.deleted += purge_models(store)
    if _trained_on(entries(store, layout.MODELS), {upload_id}):
        done.pending = tombstone.retrain_by
    return done


def _erase_from_datasets(store: ObjectStore, upload_id: str, done: Erased) -> None:
    """Write every version that names an upload without it; the list that named it goes."""
    log = ManifestLog(store, layout.log(layout.DATASETS))
    name = list_of(upload_id)
    if log.head_number():
        # A new version first: whoever makes one from the old head at this moment begins again.
        log.update(lambda head: without(store, head.body, upload_id) if head else {})
    for number in list(log.numbers()):
        body = log.read(number).body
        one = body["members"].get(name)
        if one and upload_id in json.loads(store.get(one["key"])):
            log.rewrite(number, without(store, body, upload_id))
            done.rewritten += 1
    for key in list(store.list(f"{layout.MEMBERS}/")):
        if upload_id in json.loads(store.get(key)):
            store.delete(key)
            done.deleted += 1


def _erase_from_verdicts(store: ObjectStore, upload_id: str) -> None:
    """Take an upload's id out of the verdicts on others that it resembled."""
    for key in store.list("users/"):
        if key.endswith(".json") and upload_id.encode() in (data := store.get(key)):
            body = json.loads(data)
            body["flags"] = [
                "the face looked like an upload that was erased since" if upload_id in one else one
                for one in body.get("flags", [])
            ]
            store.overwrite(key, encode(body), "application/json")


def _erase_from_release(store: ObjectStore, upload_id: str) -> int:
    """Release again without an upload, then delete all indexes and releases that name it."""
    indexes, releases = (
        ManifestLog(store, layout.log(folder)) for folder in (layout.INDEXES, layout.RELEASES)
    )
    release = releases.head()
    if release and _names(release, upload_id):
        try:
            index = indexes.read(release.body["face_index"])
            if _names(index, upload_id):
                index = indexes.append(_index_without(store, index.body, upload_id))
            releases.append(_release_without(release.body, index, upload_id))
        except ObjectMissingError:
            # Released from an index that an erasure took away at that moment: it cannot be read.
            whole = (one for one in entries(store, layout.RELEASES) if not _names(one, upload_id))
            before = next(whole, None)
            releases.append(before.body if before else _withdrawn("it was made during an erasure"))
    unwanted = {
        folder: {one.number for one in entries(store, folder) if _names(one, upload_id)}
        for folder in (layout.RELEASES, layout.INDEXES)
    }
    return delete_entries(store, {**unwanted, layout.MODELS: ()})


def _names(manifest: Manifest, upload_id: str) -> bool:
    return upload_id in manifest.body.get("uploads", [])


def _index_without(
    store: ObjectStore, body: Mapping[str, Any], upload_id: str
) -> Mapping[str, Any]:
    """An index and its portraits, as they are without one person."""
    from twin_matcher_dagster.recognition.index import FaceIndex
    from twin_matcher_dagster.storage.models import put_file

    who = user_id(upload_id)
    index = FaceIndex.from_bytes(store.get(body["index"])).without(who)
    faces = [face for face in read_shard(store.get(body["portraits"])) if face.identity_id != who]
    files = {
        "index": put_file(store, layout.INDEXES, index.to_bytes(), ".safetensors"),
        "portraits": put_file(store, layout.INDEXES, write_shard(faces).data, ".parquet"),
    }
    return {
        **body,
        **files,
        "fingerprint": fingerprint(body["fingerprint"], *files.values()),
        "rows": len(index.owners),
        "uploads": [one for one in body["uploads"] if one != upload_id],
    }


def _release_without(body: Mapping[str, Any], index: Manifest, upload_id: str) -> Mapping[str, Any]:
    who = user_id(upload_id)
    return {
        **body,
        "fingerprint": fingerprint(body["fingerprint"], index.fingerprint),
        "released_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "face_index": index.number,
        "index": index.body["index"],
        "portraits": index.body["portraits"],
        "identities": [one for one in body["identities"] if one["identity_id"] != who],
        "uploads": [one for one in body["uploads"] if one != upload_id],
    }


def purge_models(store: ObjectStore, now: datetime | None = None) -> int:
    """Delete the models that learned from an upload which was erased since.

    The one in production stays until another one takes its place, or its time is over: then the
    release is withdrawn, and the prediction page says that there is none.

    Returns:
        How many objects are gone.
    """
    now = now or datetime.now(timezone.utc)
    models = {one.number: one for one in entries(store, layout.MODELS)}
    tainted = _trained_on(models.values(), set(erased_uploads(store)))
    if not tainted:
        return 0
    releases = ManifestLog(store, layout.log(layout.RELEASES))
    head = releases.head()
    in_production = head.body.get("model") if head else None
    if in_production in tainted:
        if _retrain_by(store, models[in_production]) > now:
            tainted.discard(in_production)
        else:
            releases.append(_withdrawn("its model learned from an upload that was erased"))
    unwanted = {
        folder: {one.number for one in entries(store, folder) if one.body.get("model") in tainted}
        for folder in (layout.RELEASES, layout.INDEXES)
    }
    return delete_entries(store, {**unwanted, layout.MODELS: tainted})


def _withdrawn(reason: str) -> Mapping[str, Any]:
    return {"fingerprint": fingerprint(reason), "withdrawn": reason}


def _retrain_by(store: ObjectStore, model: Manifest) -> datetime:
    """When the first of the erased uploads that a model learned from must be out of it."""
    stones = (get_tombstone(store, upload_id) for upload_id in model.body["uploads"])
    return min(stone.retrain_by for stone in stones if stone)


def _trained_on(models: Iterable[Manifest], uploads: Collection[str]) -> set[int]:
    return {one.number for one in models if set(uploads) & set(one.body.get("uploads", []))}
