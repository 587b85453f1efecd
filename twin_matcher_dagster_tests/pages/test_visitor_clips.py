"""Clips of visitors: in no folder, for whoever has the token, once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.memory_file import new_memory_file
from twin_matcher_dagster.media.video import read_frames
from twin_matcher_dagster.pages import visitor_clips
from twin_matcher_dagster.pages.visitor_clips import VisitorClips
from twin_matcher_dagster_tests.clips import greys, write_clip

GERMAN = {"accept-language": "de"}


@pytest.fixture
def clips() -> VisitorClips:
    return VisitorClips()


@pytest.fixture
def client(clips: VisitorClips) -> TestClient:
    app = FastAPI()
    app.router.routes.append(clips.route("/upload"))
    return TestClient(app)


def hand_over(client: TestClient, data: bytes) -> str:
    return client.post("/upload/clips", content=data).json()["token"]


def test_a_clip_is_read_out_of_memory_once(
    client: TestClient, clips: VisitorClips, tmp_path: Path
) -> None:
    write_clip(tmp_path / "clip.mp4", greys(3))
    token = hand_over(client, (tmp_path / "clip.mp4").read_bytes())
    with clips.clip(token) as clip:
        assert len(read_frames(clip)) == 3
    for gone in (token, "another", None, 5, ["x"], "/etc/passwd", str(tmp_path / "clip.mp4")):
        with pytest.raises(MediaError, match="not there any more"), clips.clip(gone):
            pytest.fail(f"{gone} is a clip")
    assert (len(clips), clips._bytes) == (0, 0)


def test_its_file_is_in_no_folder() -> None:
    with new_memory_file() as file:
        file.write(b"a face")
        file.flush()
        assert os.fstat(file.fileno()).st_nlink == 0


def test_what_is_no_clip_is_not_taken(
    client: TestClient, clips: VisitorClips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor_clips, "MAX_BYTES", 2**20)
    large = client.post("/upload/clips", content=bytes(2**20 + 1), headers=GERMAN)
    assert (large.status_code, large.text[:22]) == (413, "Der Clip ist größer al")
    assert client.post("/upload/clips", content=b"").status_code == 411
    assert (len(clips), clips._bytes) == (0, 0)


def test_memory_has_an_end(
    client: TestClient, clips: VisitorClips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor_clips, "MOST_CLIPS_BYTES", 10)
    token = hand_over(client, bytes(6))
    busy = client.post("/upload/clips", content=bytes(6))
    assert (busy.status_code, busy.text[:8]) == (503, "Too many")
    with clips.clip(token):
        assert client.post("/upload/clips", content=bytes(6)).status_code == 503
    assert client.post("/upload/clips", content=bytes(6)).status_code == 200


def test_clips_that_nobody_asks_about_are_forgotten(
    client: TestClient, clips: VisitorClips, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = hand_over(client, b"a clip")
    later = time.monotonic() + visitor_clips.CLIP_KEPT_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(MediaError), clips.clip(token):
        pytest.fail("it is still there")
    assert (len(clips), clips._bytes) == (0, 0)
