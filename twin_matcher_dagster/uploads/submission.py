"""The door of the system: a person's clip becomes an upload in S3.

Used by the upload page and by the demo, so that the two cannot differ. The crops go first, then
the note that somebody arrives, and the manifest last: its presence is the commit, so that no half
upload is ever seen.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import numpy as np
from ulid import ULID

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import (
    MaybeStoredError,
    ObjectExistsError,
    StorageError,
    StoredAlreadyError,
    UploadError,
)
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.media.images import encode_png
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.arrivals import announce
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.erasure_code import erasure_hash, new_erasure_code
from twin_matcher_dagster.uploads.manifest import UploadManifest, get_manifest, put_manifest

MAX_NAME = 80
MAX_UPLOAD_AGE = timedelta(hours=1)
"""An upload must be committed this soon after its id was made: a page that was left open over night
sends nothing."""


def clean_name(name: str) -> str:
    """A display name: NFKC, no control or invisible characters, one space, at most 80 long.

    Raises:
        UploadError: nothing is left.
    """
    text = unicodedata.normalize("NFKC", name[: 4 * MAX_NAME])
    text = "".join(" " if _is_invisible(c) else c for c in text)
    text = " ".join(text.split())[:MAX_NAME].strip()
    if not any(unicodedata.category(c)[0] in "LNPS" for c in text):
        raise UploadError(refusals.NO_NAME())
    return text


def _is_invisible(character: str) -> bool:
    """Control characters and those that show nothing; the joiners of Persian and emoji stay."""
    if character in "\u200c\u200d":
        return False
    return (
        unicodedata.category(character)[0] == "C" or character in "\u115f\u1160\u2800\u3164\uffa0"
    )


def new_upload_id() -> str:
    """An id for an upload that begins now: a ULID, ordered by time, that says nothing else."""
    return str(ULID())


def submit(
    store: ObjectStore,
    faces: Sequence[np.ndarray],
    name: str,
    consent: Consent | None,
    upload_id: str | None = None,
    erasure_code: str | None = None,
    hints: Sequence[str] = (),
    progress: Callable[[float], None] = lambda share: None,
) -> str:
    """Store the faces of one clip and commit them.

    Args:
        store: where uploads go.
        faces: uint8 RGB [160, 160, 3] crops of one person.
        name: display name, free text.
        consent: what the person agreed to; nothing is stored without it.
        upload_id: of an earlier try that failed, which is continued; new by default.
        erasure_code: what the person was given to erase the upload; only its hash is stored. By
            default nobody has one, and the operator alone can erase.
        hints: what was noticed about the pictures, for whoever reviews the upload.
        progress: called with the share that is done.

    Returns:
        The upload id.

    Raises:
        UploadError: no consent, no name, no faces, or the earlier try is too old, or erased.
        MaybeStoredError: S3 went away during the commit; call again with the same ``upload_id``.
        StorageError: S3 does not answer, and this try committed nothing.
        StoredAlreadyError: an earlier try was committed, and says something else.
    """
    if not (isinstance(consent, Consent) and consent.is_typed()):
        raise UploadError(refusals.NO_CONSENT())
    label = clean_name(name)
    if not faces:
        raise UploadError(refusals.NO_FACES(count=MIN_FACES))
    try:
        ulid = ULID.from_str(upload_id or new_upload_id())
    except ValueError as error:
        raise UploadError(refusals.NO_UPLOAD_ID(upload_id=upload_id)) from error
    if datetime.now(timezone.utc) - ulid.datetime > MAX_UPLOAD_AGE:
        raise UploadError(refusals.UPLOAD_TOO_OLD())
    refuse_erased(store, str(ulid))
    checksums = []
    for index, face in enumerate(faces):
        data = encode_png(face)
        store.put_same(layout.face(str(ulid), index), data, "image/png")
        checksums.append(hashlib.sha256(data).hexdigest())
        progress((index + 1) / len(faces))
    manifest = UploadManifest(
        upload_id=str(ulid),
        name=label,
        faces=tuple(checksums),
        consent_version=consent.version,
        consent_given_at=consent.given_at,
        erasure_hash=erasure_hash(str(ulid), erasure_code or new_erasure_code()),
        hints=tuple(hints),
        publication=consent.publication,
        long_lost_twin=consent.long_lost_twin,
    )
    announce(store, str(ulid))
    try:
        _commit(store, manifest)
    except StorageError as error:
        raise MaybeStoredError(str(error)) from error
    return str(ulid)


def _commit(store: ObjectStore, manifest: UploadManifest) -> None:
    try:
        put_manifest(store, manifest)
    except ObjectExistsError:
        # An earlier try was committed, and only its answer was lost.
        _see_that_it_stands(get_manifest(store, manifest.upload_id), manifest)
    # Erased while it was on its way: after this look nothing more is written.
    refuse_erased(store, manifest.upload_id)


def _see_that_it_stands(stored: UploadManifest, wanted: UploadManifest) -> None:
    """Be content with what an earlier try stored if it is what is wanted now.

    Raises:
        StoredAlreadyError: it is not: other faces, another name, or another answer about
            publication or a long-lost twin.
    """
    if stored.faces != wanted.faces:
        raise StoredAlreadyError(refusals.OTHER_FACES())
    if _said(stored) != _said(wanted):
        published = "may be published" if stored.publication else "may not be published"
        told = "are told" if stored.long_lost_twin else "are not told"
        agreed = f"{published}, and you {told} of a long-lost twin"
        raise StoredAlreadyError(refusals.STORED_OTHERWISE(name=stored.name, agreed=agreed))


def _said(manifest: UploadManifest) -> tuple[str, bool, bool]:
    """What a person said of their faces."""
    return manifest.name, manifest.publication, manifest.long_lost_twin


def refuse_erased(store: ObjectStore, upload_id: str) -> None:
    """Leave nothing of an upload that was erased, however late it comes.

    Raises:
        UploadError: it was.
    """
    if get_tombstone(store, upload_id) is None:
        return
    for prefix in (
        layout.upload_manifest(upload_id),
        layout.face_folder(upload_id),
        layout.arrival(upload_id),
    ):
        for key in list(store.list(prefix)):
            store.delete(key)
    raise UploadError(refusals.UPLOAD_ERASED())
