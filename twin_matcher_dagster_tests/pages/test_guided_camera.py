"""Frames of a guided camera, one by one."""

from __future__ import annotations

import time

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twin_matcher_dagster.doors.entry import Entry
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.images import encode_jpeg, encode_png
from twin_matcher_dagster.pages import guided_camera
from twin_matcher_dagster.pages.guided_camera import MOST_FRAME_BYTES, GuidedCameras
from twin_matcher_dagster.pages.lanes import Lane
from twin_matcher_dagster.pages.refused import explain
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.clips import sample_frames
from twin_matcher_dagster_tests.media.photo_files import png_that_claims

FRAME = sample_frames("amara_1.mp4", 1)[0]


@pytest.fixture
def cameras() -> GuidedCameras:
    return GuidedCameras(Lane("camera", 1))


@pytest.fixture
def client(cameras: GuidedCameras) -> TestClient:
    app = FastAPI()
    app.router.routes.append(cameras.route())
    entry = Entry(app, Settings(visitor_camera_seconds=1), explain, lambda scope: 2**21)
    return TestClient(entry, base_url="http://localhost")


def test_a_frame_is_looked_at(client: TestClient, cameras: GuidedCameras) -> None:
    said = client.post("/frames", content=encode_jpeg(FRAME)).json()
    assert 'class="number">1<' in said["ring"]
    assert said["done"] is False
    again = client.post(f"/frames?guide={said['guide']}", content=encode_jpeg(FRAME))
    assert again.json()["guide"] == said["guide"]
    assert cameras.guide(said["guide"]).finish().refused
    cameras.forget(said["guide"])
    assert len(cameras) == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"words", b"\xff\xd8\xff", png_that_claims(13_300, 13_300), encode_png(FRAME)],
    ids=["nothing", "words", "cut", "bomb", "png"],
)
def test_what_is_no_frame_is_passed_over(client: TestClient, data: bytes) -> None:
    said = client.post("/frames", content=data)
    assert said.status_code == 200
    assert 'class="number">0<' in said.json()["ring"]


def test_a_frame_is_no_larger_than_a_cameras(client: TestClient) -> None:
    assert client.post("/frames", content=bytes(MOST_FRAME_BYTES + 1)).status_code == 413


def test_who_uses_the_camera_for_too_long_is_told_so(client: TestClient) -> None:
    for _ in range(5):
        assert client.post("/frames", content=b"words").status_code == 200
    over = client.post("/frames", content=b"words", headers={"accept-language": "de"})
    assert over.status_code == 429
    assert over.text.startswith("Du hast die geführte Kamera")


def test_guides_are_ones_own_and_forgotten(
    client: TestClient, cameras: GuidedCameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.post("/frames?guide=x", content=b"").status_code == 410
    monkeypatch.setattr(guided_camera, "_MOST_GUIDES", 2)
    first, second, third = (cameras.new() for _ in range(3))
    assert cameras.guide(second)
    for gone in (first, None, 3, [third]):
        with pytest.raises(MediaError, match="too long"):
            cameras.guide(gone)
    later = time.monotonic() + guided_camera._KEPT_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(MediaError):
        cameras.guide(third)
    assert len(cameras) == 0
