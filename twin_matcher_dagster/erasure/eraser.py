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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ulid import ULID

from twin_matcher_dagster.dataset.identity import user_id
from twin_matcher_dagster.dataset.schema import fingerprint, read_shard, write_shard
from twin_matcher_dagster.dataset.versions import list_of, without
from twin_matcher_dagster.erasure.retention import (
    delete_entries,
    entries,
    purge_models,
    trained_on,
    withdrawn,
)
from twin_matcher_dagster.errors import (
    ErasureError,
    ObjectMissingError,
    TrainingError,
    UploadError,
)
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.lock import Lock, exclusive
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import (
    Tombstone,
    erased_uploads,
    get_tombstone,
    put_tombstone,
    upload_id_of,
)
from twin_matcher_dagster.uploads.manifest import face_folder, get_manifest, manifest_key
from twin_matcher_dagster.uploads.submission import erasure_hash

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

    A wrong code, and an upload that there never was, get the same answer. The right code always
    works: its hundred random bits need no limit, and nobody can lock its owner out. After five
    wrong ones for an upload within an hour, more are refused unseen.

    Raises:
        ErasureError: wrong code, no such upload, or too many wrong codes.
    """
    wrong = ErasureError(
        "This upload id and this code do not belong together. Check both: the code is twenty "
        "letters and digits; case, spaces and hyphens do not matter."
    )
    try:
        known = upload_id_of(upload_id)
    except ErasureError as error:
        raise wrong from error
    stone = get_tombstone(store, known)
    try:
        expected = stone.code_hash if stone else get_manifest(store, known).erasure_hash
    except UploadError:
        expected = ""
    given = erasure_hash(known, code[:MAX_CODE].encode("ascii", "ignore").decode())
    if not hmac.compare_digest(given, expected or "0" * len(given)):
        if expected:
            _count_wrong(store, known)
        raise wrong
    return erase(store, known, retrain_within)


def _count_wrong(store: ObjectStore, upload_id: str) -> None:
    """Note a wrong code.

    Raises:
        ErasureError: there were too many within the hour.
    """
    prefix = f"{layout.ERASURE_TRIES}/{upload_id}/"
    now = ULID()
    begin = ULID.from_datetime(now.datetime - timedelta(hours=1))
    if len(list(store.list(prefix, start_after=f"{prefix}{begin}"))) >= TRIES_AN_HOUR:
        raise ErasureError("Too many wrong codes for this upload. Try again in an hour.")
    store.put_new(f"{prefix}{now}", b"")


def erase(store: ObjectStore, upload_id: str, retrain_within: timedelta) -> Erased:
    """Take an upload out; done again, it completes what an earlier try left.

    Args:
        store: the bucket.
        upload_id: which; whoever calls has seen to it that this is wanted.
        retrain_within: after this time no model that learned from it may be in production.

    Raises:
        ErasureError: there never was such an upload.
    """
    upload_id = upload_id_of(upload_id)
    tombstone = put_tombstone(store, upload_id, retrain_within)
    done = Erased(tombstone)
    with exclusive(store, layout.DATASET_LOCK) as lock:
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
        _erase_from_datasets(store, upload_id, done, lock)
        _erase_from_verdicts(store, upload_id, lock)
        done.deleted += _erase_from_release(store, upload_id)
        done.deleted += purge_models(store)
    if trained_on(entries(store, layout.MODELS), {upload_id}):
        done.pending = tombstone.retrain_by
    return done


def erased_among(store: ObjectStore, uploads: Iterable[str]) -> set[str]:
    """Which of these uploads were erased."""
    return set(erased_uploads(store)) & set(uploads)


def refuse_erased_people(store: ObjectStore, uploads: Iterable[str]) -> None:
    """See that nobody was erased while something was made of their upload.

    Raises:
        ErasureError: somebody was; what was made must not be kept.
    """
    if gone := erased_among(store, uploads):
        raise ErasureError(
            f"{len(gone)} uploads were erased while this was made: it is not kept, and made again "
            "without them."
        )


def sweep(store: ObjectStore, uploads: Iterable[str]) -> None:
    """Erase again whoever of these was erased: something was made of them meanwhile."""
    for upload_id in set(uploads):
        if stone := get_tombstone(store, upload_id):
            erase(store, upload_id, stone.retrain_by - stone.erased_at)


def _erase_from_datasets(store: ObjectStore, upload_id: str, done: Erased, lock: Lock) -> None:
    """Write every version that names an upload without it; the list that named it goes."""
    log = ManifestLog(store, layout.log(layout.DATASETS))
    name = list_of(upload_id)
    head = log.head()
    if head and upload_id in json.loads(_list_named(store, head, name)):
        log.append(without(store, head.body, upload_id))
    for number in list(log.numbers()):
        lock.renew()
        body = log.read(number).body
        one = body.get("members", {}).get(name)
        if one and upload_id in json.loads(store.get(one["key"])):
            log.rewrite(number, without(store, body, upload_id))
            done.rewritten += 1
    for key in list(store.list(f"{layout.MEMBERS}/")):
        if upload_id in json.loads(store.get(key)):
            store.delete(key)
            done.deleted += 1


def _list_named(store: ObjectStore, version: Manifest, name: str) -> bytes:
    one = version.body.get("members", {}).get(name)
    return store.get(one["key"]) if one else b"{}"


def _erase_from_verdicts(store: ObjectStore, upload_id: str, lock: Lock) -> None:
    """Take an upload's id out of the verdicts on others: flags, and a person's note."""
    for key in store.list("users/"):
        lock.renew()
        if key.endswith(".json") and upload_id.encode() in (data := store.get(key)):
            said = data.decode().replace(upload_id, "ERASED")
            store.overwrite(key, said.encode(), "application/json")


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
        except (ObjectMissingError, TrainingError):
            # Released from an index that an erasure took away at that moment, or that an earlier
            # version made: it cannot be read.
            whole = (one for one in entries(store, layout.RELEASES) if not _names(one, upload_id))
            before = next(whole, None)
            releases.append(before.body if before else withdrawn("it was made during an erasure"))
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
    from twin_matcher_dagster.recognition.gallery import FaceIndex
    from twin_matcher_dagster.storage.files import put_file

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
        "rows": len(index.identities),
        "imprinted": [one for one in body["imprinted"] if one != who],
        "uploads": [one for one in body["uploads"] if one != upload_id],
        "shards": _shards_without(body, upload_id),
    }


def _shards_without(body: Mapping[str, Any], upload_id: str) -> Mapping[str, str]:
    return {one: shard for one, shard in body.get("shards", {}).items() if one != upload_id}


def _release_without(body: Mapping[str, Any], index: Manifest, upload_id: str) -> Mapping[str, Any]:
    who = user_id(upload_id)
    return {
        **body,
        "fingerprint": fingerprint(body["fingerprint"], index.fingerprint),
        "released_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "face_index": index.number,
        "index": index.body["index"],
        "portraits": index.body["portraits"],
        "imprinted": index.body["imprinted"],
        "identities": [one for one in body["identities"] if one["identity_id"] != who],
        "uploads": [one for one in body["uploads"] if one != upload_id],
        "shards": _shards_without(body, upload_id),
    }
