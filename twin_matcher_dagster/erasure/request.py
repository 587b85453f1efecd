"""An erasure that a person asks for, with the code that they were given."""

from __future__ import annotations

import hmac
from datetime import timedelta

from ulid import ULID

from twin_matcher_dagster.erasure.eraser import ErasureResult, erase, note_erasure
from twin_matcher_dagster.errors import ErasureError, UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone, upload_id_of
from twin_matcher_dagster.uploads.erasure_code import erasure_hash
from twin_matcher_dagster.uploads.manifest import get_manifest

TRIES_AN_HOUR = 5
MAX_CODE = 100


def erase_with_code(
    store: ObjectStore, upload_id: str, code: str, retrain_within: timedelta
) -> ErasureResult:
    """Erase for the person who was given the code; raises as :func:`note_with_code` does."""
    known = note_with_code(store, upload_id, code, retrain_within)
    return erase(store, known, retrain_within)


def note_with_code(store: ObjectStore, upload_id: str, code: str, retrain_within: timedelta) -> str:
    """Note an erasure for the person who was given the code: it will be done, whoever does it.

    A wrong code, and an upload that there never was, get the same answer. The right code always
    works: its hundred random bits need no limit, and nobody can lock its owner out. After five
    wrong ones for an upload within an hour, the answer to another wrong one is to wait.

    Returns:
        The upload id, in the spelling that keys have.

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
    note_erasure(store, known, retrain_within)
    return known


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
