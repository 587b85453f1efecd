"""What a browser hands in is not decoded by Gradio."""

from __future__ import annotations

import base64
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import FileData, ImageData, ListFiles

from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.pages.file_inputs import (
    given_frame,
    given_photo,
    taken_by,
    video_path,
    visitor_photos,
)
from twin_matcher_dagster_tests.media.photo_files import png_that_claims

FRAME = np.full((48, 64, 3), 200, np.uint8)


def inline(data: bytes) -> ImageData:
    return ImageData(url=f"data:image/png;base64,{base64.b64encode(data).decode()}")


def test_a_photo_is_handed_on_as_it_came(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(13_300, 13_300))
    photo = taken_by(given_photo, gr.Image())
    assert photo.preprocess(ImageData(path=str(path), orig_name="bomb.png")) == path
    assert photo.preprocess(inline(b"anything")) == b"anything"
    assert photo.preprocess(ImageData(url="data:image/png;base64,abc")) == b""
    assert photo.preprocess(None) is None


def test_photos_are_taken_whatever_they_are_called(tmp_path: Path) -> None:
    names = ["a.jfif", "b.JPE", "c.HEIC", "d", "e.txt"]
    files = ListFiles(root=[FileData(path=str(tmp_path / name)) for name in names])
    photos = taken_by(visitor_photos, gr.File(file_count="multiple"))
    assert photos.preprocess(files) == [tmp_path / name for name in names]
    assert photos.preprocess(None) == []


def test_a_clip_is_handed_on_by_its_path() -> None:
    assert video_path(FileData(path="/any/clip.webm")) == "/any/clip.webm"
    assert video_path(None) is None


@pytest.mark.parametrize(
    "data",
    [png_that_claims(13_300, 13_300), b"words", b"", bytes(5 * 2**20)],
    ids=["bomb", "words", "nothing", "large"],
)
def test_what_is_no_frame_of_a_camera_is_passed_over(data: bytes) -> None:
    assert given_frame(inline(data)) is None


def test_a_frame_of_a_camera_is_an_image(tmp_path: Path) -> None:
    data = encode_jpeg(FRAME)
    (tmp_path / "frame.jpg").write_bytes(data)
    for payload in (inline(data), ImageData(path=str(tmp_path / "frame.jpg"))):
        frame = given_frame(payload)
        assert frame is not None
        assert np.abs(frame.astype(int) - FRAME).max() <= 3
    assert given_frame(ImageData(path=str(tmp_path / "gone.jpg"))) is None
    assert given_frame(None) is None
