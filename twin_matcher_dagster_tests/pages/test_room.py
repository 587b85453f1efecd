"""Nothing of a visitor is taken where there is no room for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.pages import room
from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster.pages.room import RoomForFiles, raise_if_store_full
from twin_matcher_dagster.pages.session import Session, send_faces
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent


def disk_with(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = SimpleNamespace(total=1000, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    async def take(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())} bytes taken")

    routes = [Route("/gradio_api/upload", take, methods=["POST"]), Route("/", take)]
    guarded = Middleware(RoomForFiles, folder=tmp_path / "pages")
    return TestClient(Starlette(routes=routes, middleware=[guarded]))


def test_a_file_is_taken_where_there_is_room(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.post("/gradio_api/upload", content=b"12345").text == "5 bytes taken"
    disk_with(monkeypatch, free=33)
    assert client.post("/gradio_api/upload", content=b"123").status_code == 200
    refused = client.post("/gradio_api/upload", content=b"12345")
    assert (refused.status_code, refused.text) == (
        507,
        "The disk is full. Nothing was stored. Try again later.",
    )
    assert client.get("/").status_code == 200


def test_visitors_files_cannot_take_all_the_room(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "VISITORS_BYTES", 20_000)
    (tmp_path / "pages" / "a").mkdir(parents=True)
    (tmp_path / "pages" / "a" / "clip.mp4").write_bytes(bytes(9_000))
    assert client.post("/gradio_api/upload", content=bytes(1_000)).status_code == 200
    assert client.post("/gradio_api/upload", content=bytes(12_000)).status_code == 507


def test_an_upload_is_not_taken_on_a_full_disk(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWIN_MATCHER_BUCKET")
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path))
    session = Session(tuple(np.zeros((160, 160, 3), np.uint8) for _ in range(MIN_FACES)))
    disk_with(monkeypatch, free=29)
    words = words_in("en")
    done = send_faces(store, session, "Ada", Consent.now(), lambda *_, **__: None, words)
    assert done.session is session
    assert "The disk is full" in done.message
    assert list(store.list("")) == []


def test_a_bucket_of_ones_own_is_not_on_this_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    disk_with(monkeypatch, free=0)
    raise_if_store_full(Settings(twin_matcher_bucket="faces"))
