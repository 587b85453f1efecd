"""The door of the system: what a person's typed name, consent and bad luck may do."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from twin_matcher_dagster.errors import (
    ObjectExistsError,
    StorageError,
    StoredAlreadyError,
    UploadError,
)
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import arrivals, is_committed
from twin_matcher_dagster.uploads.consent import CONSENT_VERSION, Consent
from twin_matcher_dagster.uploads.manifest import get_faces, get_manifest
from twin_matcher_dagster.uploads.submission import (
    MAX_NAME,
    MAX_UPLOAD_AGE,
    clean_name,
    new_upload_id,
    submit,
)

FACES = [
    np.random.default_rng(number).integers(0, 256, (160, 160, 3), np.uint8) for number in range(3)
]
KEY = re.compile(
    r"uploads/(faces/[0-9A-HJKMNP-TV-Z]{26}/\d{3}\.png|manifests/[0-9A-HJKMNP-TV-Z]{26}\.json"
    r"|arrivals/[0-9A-HJKMNP-TV-Z]{26})"
)
NAMES = {
    "../../x": "../../x",
    "👩🏽\u200d🚀 Ana": "👩🏽\u200d🚀 Ana",
    "\u3164Ana\u115f": "Ana",
    "\u202eשלום עולם": "שלום עולם",
    "a" * 10_000: "a" * MAX_NAME,
    "Mira Okonkwo": "Mira Okonkwo",
    "Ana\x00\r\n\t\x1b[31mLuz": "Ana [31mLuz",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "  Zoë   Ñandú ": "Zoë Ñandú",
    "uploads/manifests/x.json": "uploads/manifests/x.json",
}

BLANKS = "\u115f\u1160\u2800\u3164\uffa0"


def committed(store: ObjectStore) -> list[str]:
    """Ids of the uploads that are committed and noted, in order."""
    return sorted(one for one in arrivals(store) if is_committed(store, one))


class Failing:
    """A client whose connection is cut before the n-th put, and again at each one after it."""

    def __init__(self, client: Any, puts: int) -> None:
        self._client = client
        self._left = puts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **request: Any) -> Any:
        from botocore.exceptions import EndpointConnectionError

        if not self._left:
            raise EndpointConnectionError(endpoint_url="http://gone")
        self._left -= 1
        return self._client.put_object(**request)


def contents(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list("")}


def test_an_upload_is_complete(store: ObjectStore) -> None:
    seen: list[float] = []
    upload_id = submit(store, FACES, " Ana  Luz ", Consent.now(), progress=seen.append)
    assert seen == [1 / 3, 2 / 3, 1.0]
    assert committed(store) == [upload_id]
    manifest = get_manifest(store, upload_id)
    assert (manifest.name, manifest.consent_version) == ("Ana Luz", CONSENT_VERSION)
    assert datetime.fromisoformat(manifest.consent_given_at).utcoffset() == timedelta(0)
    for face, data in zip(FACES, get_faces(store, manifest), strict=True):
        assert np.array_equal(read_image(data), face)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_shown_and_never_a_key(store: ObjectStore, name: str) -> None:
    """The system this one re-imagines used the typed name as folder, file and class."""
    upload_id = submit(store, FACES[:1], name, Consent.now())
    objects = contents(store)
    assert len(objects) == 3
    assert all(KEY.fullmatch(key) and upload_id in key for key in objects)
    assert get_manifest(store, upload_id).name == NAMES[name]


def test_two_people_of_one_name_are_two_uploads(store: ObjectStore) -> None:
    first, second = (submit(store, FACES[:1], "Ana", Consent.now()) for _ in range(2))
    assert first != second
    assert committed(store) == sorted([first, second])


@given(name=st.text(max_size=200))
def test_a_clean_name_is_printable_short_and_stays(name: str) -> None:
    try:
        cleaned = clean_name(name)
    except UploadError:
        letters = (c for c in unicodedata.normalize("NFKC", name) if c not in BLANKS)
        assert all(unicodedata.category(c)[0] in "CMZ" for c in letters)
        return
    assert 0 < len(cleaned) <= MAX_NAME
    assert not any(unicodedata.category(c)[0] == "C" for c in cleaned)
    assert clean_name(cleaned) == cleaned


def test_without_consent_nothing_is_stored(store: ObjectStore) -> None:
    with pytest.raises(UploadError, match="Nothing was stored: tick the consent box"):
        submit(store, FACES, "Ana", None)
    assert contents(store) == {}


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u200b\x00\n", "\ud800", "\u2800", "\ufe0f", "\u034f", "\u17b4", "\u200d"],
    ids=range(9),
)
def test_without_a_name_nothing_is_stored(store: ObjectStore, name: str) -> None:
    with pytest.raises(UploadError, match="Type a name"):
        submit(store, FACES, name, Consent.now())
    assert contents(store) == {}


def test_without_faces_nothing_is_stored(store: ObjectStore) -> None:
    with pytest.raises(UploadError, match="no faces"):
        submit(store, [], "Ana", Consent.now())
    assert contents(store) == {}


@pytest.mark.parametrize("puts", range(5))
def test_an_upload_that_broke_off_is_completed(store: ObjectStore, puts: int) -> None:
    upload_id = new_upload_id()
    broken = ObjectStore(Failing(store.client, puts), store.bucket)
    with pytest.raises(StorageError, match="does not answer"):
        submit(broken, FACES, "Ana", Consent.now(), upload_id)
    assert len(contents(store)) == puts
    assert committed(store) == []
    assert submit(store, FACES, "Ana", Consent.now(), upload_id) == upload_id
    objects = contents(store)
    assert len(objects) == len(FACES) + 2
    assert committed(store) == [upload_id]
    assert len(list(get_faces(store, get_manifest(store, upload_id)))) == len(FACES)


def test_sending_again_after_the_commit_changes_nothing(store: ObjectStore) -> None:
    """The answer to the first click was lost; by the second one the consent is seconds younger."""
    upload_id = submit(store, FACES, "Ana", Consent("1", "2026-01-01T00:00:00+00:00"))
    objects = contents(store)
    again = Consent("1", "2026-01-01T00:00:09+00:00")
    assert submit(store, FACES, "Ana", again, upload_id) == upload_id
    assert contents(store) == objects


@pytest.mark.parametrize(
    ("name", "publication", "stands"),
    [("Bob", True, "under the name 'Ana'"), ("Ana", False, "it may be published")],
)
def test_another_wish_is_never_taken_for_granted(
    store: ObjectStore, name: str, publication: bool, stands: str
) -> None:
    """The first try was committed; whoever wants something else by now is told what stands."""
    upload_id = submit(store, FACES, "Ana", Consent.now(publication=True))
    objects = contents(store)
    with pytest.raises(StoredAlreadyError, match=stands):
        submit(store, FACES, name, Consent.now(publication=publication), upload_id)
    assert contents(store) == objects


def test_an_id_cannot_be_used_for_other_faces(store: ObjectStore) -> None:
    upload_id = submit(store, FACES, "Ana", Consent.now())
    objects = contents(store)
    for others in (FACES[::-1], FACES[:2]):
        with pytest.raises((ObjectExistsError, StoredAlreadyError)):
            submit(store, others, "Bob", Consent.now(), upload_id)
    assert contents(store) == objects


def test_an_upload_begun_too_long_ago_is_refused(store: ObjectStore) -> None:
    now = datetime.now(timezone.utc)
    old = str(ULID.from_datetime(now - MAX_UPLOAD_AGE - timedelta(minutes=1)))
    with pytest.raises(UploadError, match="over an hour ago"):
        submit(store, FACES, "Ana", Consent.now(), old)
    assert contents(store) == {}
    recent = str(ULID.from_datetime(now - MAX_UPLOAD_AGE + timedelta(minutes=1)))
    assert submit(store, FACES, "Ana", Consent.now(), recent) == recent


@pytest.mark.parametrize("upload_id", ["../../x", "x" * 26, "é" * 26])
def test_an_id_that_is_none_never_becomes_a_key(store: ObjectStore, upload_id: str) -> None:
    with pytest.raises(UploadError, match="is not an upload id"):
        submit(store, FACES, "Ana", Consent.now(), upload_id)
    assert contents(store) == {}


def test_the_digests_are_of_what_is_stored(store: ObjectStore) -> None:
    upload_id = submit(store, FACES, "Ana", Consent.now())
    stored = [data for key, data in sorted(contents(store).items()) if key.endswith(".png")]
    digests = tuple(hashlib.sha256(data).hexdigest() for data in stored)
    assert get_manifest(store, upload_id).faces == digests
