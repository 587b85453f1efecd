"""Photos of visitors: in memory, for a while, and for whoever has the token."""

from __future__ import annotations

import time

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twin_matcher_dagster.api import body
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.pages import visitor_photos
from twin_matcher_dagster.pages.visitor_photos import VisitorPhotos

RAW = {"content-type": "application/octet-stream"}


@pytest.fixture
def given() -> VisitorPhotos:
    return VisitorPhotos()


@pytest.fixture
def client(given: VisitorPhotos) -> TestClient:
    app = FastAPI()
    app.router.routes.append(given.route())
    return TestClient(app)


def test_a_photo_is_there_by_its_token(client: TestClient, given: VisitorPhotos) -> None:
    token = client.post("/photos", content=b"a photo", headers=RAW).json()["token"]
    assert given.photos([token]) == [b"a photo"]
    with pytest.raises(MediaError, match="not there any more"):
        given.photos(["another"])
    given.forget([token, "another"])
    assert len(given) == 0


def test_a_photo_that_is_too_large_is_not_read_to_its_end(
    client: TestClient, given: VisitorPhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MAX_PHOTO_BYTES", 2**20)
    answer = client.post("/photos", content=bytes(3 * 2**20), headers=RAW)
    assert answer.status_code == 413
    assert answer.text.startswith("The photo has 3 MB, more than 1 MB.")
    german = client.post(
        "/photos", content=bytes(3 * 2**20), headers={**RAW, "accept-language": "de-CH, en;q=0.5"}
    )
    assert german.text.startswith("Das Foto hat 3 MB, mehr als 1 MB.")
    assert len(given) == 0


def test_another_site_cannot_hand_photos_over(client: TestClient, given: VisitorPhotos) -> None:
    # A form of another site can send this kind without being asked for leave, and no other.
    answer = client.post("/photos", content=b"a photo", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert len(given) == 0


def test_photos_are_forgotten(given: VisitorPhotos, monkeypatch: pytest.MonkeyPatch) -> None:
    token = given.keep(b"a photo")
    later = time.monotonic() + visitor_photos.PHOTO_KEPT_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(MediaError):
        given.photos([token])
    assert len(given) == 0


def test_whoever_floods_the_page_loses_the_eldest(
    given: VisitorPhotos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor_photos, "MOST_PHOTOS_BYTES", 10)
    first, second, third = (given.keep(bytes(4)) for _ in range(3))
    assert given.photos([second, third]) == [bytes(4)] * 2
    with pytest.raises(MediaError):
        given.photos([first])
