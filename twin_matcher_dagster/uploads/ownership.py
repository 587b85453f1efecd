"""That an upload is somebody's own: they have the code that they were given with it."""

from __future__ import annotations

import hmac
from datetime import timedelta

from ulid import ULID

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import CodeError, ErasureError, UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone, upload_id_of
from twin_matcher_dagster.uploads.erasure_code import erasure_hash
from twin_matcher_dagster.uploads.manifest import get_manifest

TRIES_AN_HOUR = 5
MAX_CODE = 100


def prove_ownership(store: ObjectStore, upload_id: str, code: str) -> str:
    """See that a code is that of an upload, erased or not: two requests, and two of a wrong code.

    A wrong code, and an upload that there never was, get the same answer. The right code always
    works: its hundred random bits need no limit, and nobody can lock its owner out. After five
    wrong ones for an upload within an hour, the answer to another wrong one is to wait.

    Args:
        store: the bucket.
        upload_id, code: as somebody typed them.

    Returns:
        The upload id, in the spelling that keys have.

    Raises:
        CodeError: wrong code, no such upload, or too many wrong codes.
    """
    wrong = CodeError(refusals.WRONG_CODE())
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
    return known


def _count_wrong(store: ObjectStore, upload_id: str) -> None:
    """Note a wrong code.

    Raises:
        CodeError: there were too many within the hour.
    """
    prefix = f"{layout.ERASURE_TRIES}/{upload_id}/"
    now = ULID()
    begin = ULID.from_datetime(now.datetime - timedelta(hours=1))
    if len(list(store.list(prefix, start_after=f"{prefix}{begin}"))) >= TRIES_AN_HOUR:
        raise CodeError(refusals.TOO_MANY_CODES())
    store.put_new(f"{prefix}{now}", b"")
