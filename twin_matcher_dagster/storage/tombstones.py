"""What stays of an erased upload: that it was erased, and until when a model may know it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ulid import ULID

from twin_matcher_dagster.errors import ErasureError, ObjectMissingError, RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.encoding import parse_json
from twin_matcher_dagster.storage.object_store import ObjectStore


@dataclass(frozen=True)
class Tombstone:
    """That an upload was erased. It says nothing about anybody.

    Attributes:
        upload_id: random, see ``uploads.submission.new_upload_id``.
        erased_at: when (UTC).
        retrain_by: after this no model that learned from it may be in production (UTC).
        code_hash: of the erasure code, so that its owner can ask again; empty where none was given.
    """

    upload_id: str
    erased_at: datetime
    retrain_by: datetime
    code_hash: str = ""


def upload_id_of(text: str) -> str:
    """An upload id as somebody typed it, in the one spelling that keys have.

    Raises:
        ErasureError: it cannot be one; nothing else may ever become a prefix to delete.
    """
    try:
        return str(ULID.from_str(text.strip().upper()))
    except ValueError as error:
        raise ErasureError(
            f"{text[:60]!r} is no upload id: 26 letters and digits, as the upload page showed it."
        ) from error


def tombstone_key(upload_id: str) -> str:
    """Key of an upload's tombstone."""
    return f"{layout.TOMBSTONES}/{upload_id}.json"


def get_tombstone(store: ObjectStore, upload_id: str) -> Tombstone | None:
    """The tombstone of an upload, if it was erased."""
    key = tombstone_key(upload_id)
    try:
        body = parse_json(store.get(key))
        return Tombstone(
            upload_id,
            datetime.fromisoformat(body["erased_at"]),
            datetime.fromisoformat(body["retrain_by"]),
            body["code_hash"],
        )
    except ObjectMissingError:
        return None
    except (RecordError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{key} cannot be read. Delete it and erase the upload again.") from error


def erased_uploads(store: ObjectStore) -> list[str]:
    """Ids of all erased uploads."""
    prefix = f"{layout.TOMBSTONES}/"
    return [key.removeprefix(prefix).removesuffix(".json") for key in store.list(prefix)]


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


def put_tombstone(
    store: ObjectStore, upload_id: str, retrain_within: timedelta, code_hash: str
) -> Tombstone:
    """Say that an upload is erased; the first word stands.

    Args:
        store: the bucket.
        upload_id: which; there is, or was, such an upload.
        retrain_within: after this time no model that learned from it may be in production.
        code_hash: of its erasure code; empty where none was given.
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    tombstone = Tombstone(upload_id, now, now + retrain_within, code_hash)
    body = {
        "erased_at": tombstone.erased_at.isoformat(),
        "retrain_by": tombstone.retrain_by.isoformat(),
        "code_hash": code_hash,
    }
    store.put_content(tombstone_key(upload_id), json.dumps(body).encode(), "application/json")
    return get_tombstone(store, upload_id) or tombstone
