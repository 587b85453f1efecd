"""Uploads at rest: manifests that came from outside, and the listing of what is new."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ulid import ULID

from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.manifest import (
    MAX_CROPS,
    UploadManifest,
    get_faces,
    get_manifest,
    put_manifest,
)

CROPS = (b"crop zero", b"crop one", b"crop two")
FIELDS = ("upload_id", "name", "faces", "consent_version", "consent_given_at")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
SHARED_STORE = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def manifest_of(upload_id: str, crops: tuple[bytes, ...] = CROPS) -> UploadManifest:
    checksums = tuple(hashlib.sha256(crop).hexdigest() for crop in crops)
    return UploadManifest(upload_id, "Ana", checksums, "1", "2026-01-01T00:00:00+00:00")


def committed(store: ObjectStore) -> UploadManifest:
    manifest = manifest_of(str(ULID()))
    for index, crop in enumerate(CROPS):
        store.put_new(layout.face(manifest.upload_id, index), crop)
    put_manifest(store, manifest)
    return manifest


@SHARED_STORE
@given(name=st.text(), faces=st.lists(st.text(), min_size=1, max_size=5))
def test_a_manifest_reads_back_as_it_was_written(
    store: ObjectStore, name: str, faces: list[str]
) -> None:
    manifest = replace(manifest_of(str(ULID())), name=name, faces=tuple(faces))
    put_manifest(store, manifest)
    put_manifest(store, manifest)  # again after a lost answer
    assert get_manifest(store, manifest.upload_id) == manifest


def test_crops_read_back_in_order(store: ObjectStore) -> None:
    manifest = committed(store)
    assert tuple(get_faces(store, get_manifest(store, manifest.upload_id))) == CROPS


def test_a_missing_crop_is_named(store: ObjectStore) -> None:
    manifest = committed(store)
    store.client.delete_object(Bucket=store.bucket, Key=layout.face(manifest.upload_id, 1))
    with pytest.raises(UploadError, match=r"Crop 1 .* is missing"):
        list(get_faces(store, manifest))


def test_an_altered_crop_is_named(store: ObjectStore) -> None:
    manifest = committed(store)
    key = layout.face(manifest.upload_id, 2)
    store.client.put_object(Bucket=store.bucket, Key=key, Body=b"somebody else")
    with pytest.raises(UploadError, match=r"Crop 2 .* was altered"):
        list(get_faces(store, manifest))


def test_there_is_no_such_upload(store: ObjectStore) -> None:
    with pytest.raises(UploadError, match="There is no upload"):
        get_manifest(store, str(ULID()))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("upload_id", "01J00000000000000000000000", "names another upload"),
        ("consent_version", "", "without consent"),
        ("consent_given_at", "", "without consent"),
        ("faces", [], "names 0 crops"),
        ("faces", ["x"] * (MAX_CROPS + 1), "names 201 crops"),
        ("faces", [1, 2], "malformed"),
        ("name", None, "malformed"),
        ("name", "half a pair: \ud800", "malformed"),
    ],
)
def test_a_manifest_is_judged(store: ObjectStore, field: str, value: Any, reason: str) -> None:
    upload_id = str(ULID())
    body = {**asdict(manifest_of(upload_id)), field: value}
    store.put_new(layout.upload_manifest(upload_id), json.dumps(body).encode())
    with pytest.raises(UploadError, match=reason):
        get_manifest(store, upload_id)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"9" * 10_000, b"null", b'"text"']
)
def test_bytes_that_are_no_manifest_are_refused(store: ObjectStore, data: bytes) -> None:
    upload_id = str(ULID())
    store.put_new(layout.upload_manifest(upload_id), data)
    with pytest.raises(UploadError, match="malformed"):
        get_manifest(store, upload_id)


@SHARED_STORE
@given(field=st.sampled_from(FIELDS), value=ANY_JSON, keep=st.booleans())
def test_a_wrong_field_is_refused_or_text(
    store: ObjectStore, field: str, value: Any, keep: bool
) -> None:
    """Whatever a field holds, nothing but an UploadError comes out, or a manifest of text."""
    upload_id = str(ULID())
    body = asdict(manifest_of(upload_id))
    body.pop(field)
    if keep:
        body[field] = value
    store.put_new(layout.upload_manifest(upload_id), json.dumps(body).encode())
    try:
        manifest = get_manifest(store, upload_id)
    except UploadError as error:
        assert upload_id in str(error)
    else:
        assert keep
        assert all(isinstance(text, str) for text in (manifest.name, *manifest.faces))
