"""Uploads at rest: crops under the upload's id, and a manifest whose presence is the commit."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from twin_matcher_dagster.errors import ObjectMissingError, UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore

MAX_CROPS = 200
_MAX_HINTS = 10
_HASH = re.compile(r"([0-9a-f]{64})?")


@dataclass(frozen=True)
class UploadManifest:
    """What an upload says of itself. It came from outside: nothing in it is trusted.

    Attributes:
        upload_id: ULID, 26 characters.
        name: display name, free text.
        faces: SHA-256 of every crop, in order.
        consent_version, consent_given_at: what was agreed to, and when.
        erasure_hash: of the code that erases the upload, see :mod:`~.erasure_code`; empty in
            uploads of older versions.
        hints: what the upload page noticed about the pictures.
        publication: whether the person agreed to being published on the Hub as well.
        long_lost_twin: whether the person agreed to being told of another visitor who is alike, and
            to being shown to them.
    """

    upload_id: str
    name: str
    faces: tuple[str, ...]
    consent_version: str
    consent_given_at: str
    erasure_hash: str = ""
    hints: tuple[str, ...] = ()
    publication: bool = False
    long_lost_twin: bool = False


def put_manifest(store: ObjectStore, manifest: UploadManifest) -> None:
    """Commit an upload whose crops are all there."""
    data = json.dumps(asdict(manifest), ensure_ascii=False, sort_keys=True).encode()
    store.put_same(layout.upload_manifest(manifest.upload_id), data, "application/json")


def get_manifest(store: ObjectStore, upload_id: str) -> UploadManifest:
    """Read and check the shape of an upload's manifest.

    Raises:
        UploadError: it is missing, not what this version writes, or not this upload's.
    """
    try:
        body = json.loads(store.get(layout.upload_manifest(upload_id)))
        manifest = UploadManifest(
            upload_id=body["upload_id"],
            name=body["name"],
            faces=tuple(body["faces"]),
            consent_version=body["consent_version"],
            consent_given_at=body["consent_given_at"],
            erasure_hash=body.get("erasure_hash", ""),
            hints=tuple(_texts(body.get("hints", []))),
            # Anything but a plain yes is a no.
            publication=body.get("publication") is True,
            long_lost_twin=body.get("long_lost_twin") is True,
        )
    except ObjectMissingError as error:
        raise UploadError(f"There is no upload {upload_id}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UploadError(f"The manifest of upload {upload_id} is malformed: {error!r}.") from error
    texts = (
        manifest.name,
        manifest.consent_version,
        manifest.consent_given_at,
        manifest.erasure_hash,
        *manifest.faces,
        *manifest.hints,
    )
    if not all(isinstance(text, str) and _is_unicode(text) for text in texts):
        raise UploadError(f"The manifest of upload {upload_id} is malformed: not all text.")
    if manifest.upload_id != upload_id:
        raise UploadError(f"The manifest of upload {upload_id} names another upload.")
    if not manifest.consent_version or not manifest.consent_given_at:
        raise UploadError(f"Upload {upload_id} came without consent.")
    try:
        datetime.fromisoformat(manifest.consent_given_at)
    except ValueError as error:
        raise UploadError(f"Upload {upload_id} does not say when consent was given.") from error
    if not _HASH.fullmatch(manifest.erasure_hash):
        raise UploadError(f"The manifest of upload {upload_id} is malformed: its erasure hash.")
    if not 0 < len(manifest.faces) <= MAX_CROPS:
        raise UploadError(
            f"Upload {upload_id} names {len(manifest.faces)} crops, 1 to {MAX_CROPS}."
        )
    return manifest


def _texts(value: Any) -> list[Any]:
    """A list as it is; a text or an object is no list of texts."""
    if not isinstance(value, list):
        raise TypeError("hints are not a list")
    return value[:_MAX_HINTS]


def _is_unicode(text: str) -> bool:
    """Whether text has no half of a surrogate pair, which JSON can hold and Parquet cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def get_faces(store: ObjectStore, manifest: UploadManifest) -> Iterator[bytes]:
    """The crops of an upload, each verified against the manifest.

    Raises:
        UploadError: one is missing or was altered.
    """
    for index, checksum in enumerate(manifest.faces):
        try:
            data = store.get(layout.face(manifest.upload_id, index))
        except ObjectMissingError as error:
            raise UploadError(f"Crop {index} of upload {manifest.upload_id} is missing.") from error
        if hashlib.sha256(data).hexdigest() != checksum:
            raise UploadError(f"Crop {index} of upload {manifest.upload_id} was altered.")
        yield data


def readable_faces(store: ObjectStore, manifest: UploadManifest) -> Iterator[bytes]:
    """The crops that are there, altered or not: only to be looked at."""
    for index in range(len(manifest.faces)):
        with suppress(ObjectMissingError):
            yield store.get(layout.face(manifest.upload_id, index))
