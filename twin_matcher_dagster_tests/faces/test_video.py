"""Frames out of clips as phones and browsers write them, and out of files that are none."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.faces.video import MAX_FRAMES, WORKING_SIDE, read_frames
from twin_matcher_dagster_tests.media import CLIPS, Pipe, greys, with_rotation, write_clip


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_a_sample_clip_gives_a_frame_every_100_ms(clip: Path) -> None:
    frames = read_frames(clip)
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert 4.3 < times[-1] < 4.5
    assert len(frames) == pytest.approx(4.48 / 0.1, abs=5)
    assert 0.07 < np.diff(times).min() <= np.diff(times).max() < 0.13
    assert {frame.image.shape for frame in frames} == {(480, 640, 3)}
    assert {frame.image.dtype for frame in frames} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("seconds", [11, 21, 45])
def test_a_long_clip_is_spread_over_its_length(tmp_path: Path, seconds: int) -> None:
    clip = tmp_path / "long.mp4"
    write_clip(clip, greys(seconds * 10))
    frames = read_frames(clip)
    times = np.array([frame.time for frame in frames])
    assert MAX_FRAMES / 2 <= len(frames) <= MAX_FRAMES
    assert times[-1] > seconds - 1
    assert np.diff(times).max() == pytest.approx(np.diff(times).min(), abs=0.01)


def test_a_frame_comes_with_its_own_time(tmp_path: Path) -> None:
    """Webcams drop frames in bad light: times are read, not counted."""
    times = [0, 40, 110, 150, 900, 1000, 2400]
    write_clip(tmp_path / "clip.mp4", greys(100)[:70:10], times)
    frames = read_frames(tmp_path / "clip.mp4")
    assert [round(1000 * frame.time) for frame in frames] == [0, 110, 900, 1000, 2400]
    brightness = [frame.image.mean() for frame in frames]
    assert brightness == pytest.approx([0, 40, 80, 100, 120], abs=6)


def test_a_recording_of_a_browser_has_no_duration(tmp_path: Path) -> None:
    path = tmp_path / "recording.webm"
    pipe = Pipe(path)
    write_clip(pipe, greys(45), container="webm", codec="libvpx-vp9")
    pipe.close()
    with av.open(str(path)) as container:
        assert container.duration is None
    frames = read_frames(path)
    assert len(frames) == 45
    assert frames[-1].time == pytest.approx(4.4, abs=0.01)
    assert frames[-1].image.mean() == pytest.approx(88, abs=6)


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((1, 0, 0, 1), 0), ((0, -1, 1, 0), 1), ((-1, 0, 0, -1), 2), ((0, 1, -1, 0), 3)],
    ids=["upright", "a quarter to the left", "upside down", "a quarter to the right"],
)
def test_a_phones_clip_is_turned_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], turns: int
) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:20, :20] = 255  # top left
    write_clip(tmp_path / "clip.mp4", [image] * 3)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(with_rotation((tmp_path / "clip.mp4").read_bytes(), matrix))
    frame = read_frames(turned)[0].image
    wanted = np.rot90(image, turns)
    assert frame.shape == wanted.shape
    assert np.abs(frame.astype(int) - wanted).mean() < 8


def test_a_large_clip_is_shrunk(tmp_path: Path) -> None:
    write_clip(tmp_path / "hd.mp4", [np.zeros((1080, 1920, 3), np.uint8)] * 2)
    assert read_frames(tmp_path / "hd.mp4")[0].image.shape == (405, WORKING_SIDE, 3)


def test_a_clip_that_is_too_long_is_refused(tmp_path: Path) -> None:
    times = [1000 * second for second in range(62)]
    write_clip(tmp_path / "long.mp4", greys(62), times)
    with pytest.raises(MediaError, match="longer than 60 seconds"):
        read_frames(tmp_path / "long.mp4")


def test_a_clip_that_is_too_wide_is_refused(tmp_path: Path) -> None:
    wide = [np.zeros((32, 4098, 3), np.uint8)]
    write_clip(tmp_path / "wide.mp4", wide, codec="mpeg4")
    with pytest.raises(MediaError, match="4098 x 32 pixels"):
        read_frames(tmp_path / "wide.mp4")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(201 * 2**20)
    with pytest.raises(MediaError, match="larger than 200 MB"):
        read_frames(tmp_path / "large.mp4")


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "voice.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        silence = np.zeros((1, 44100), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(MediaError, match="no video track"):
        read_frames(tmp_path / "voice.mp4")


@pytest.mark.parametrize(
    "data",
    [b"", b"these are only words, not a film", CLIPS[0].read_bytes()[:80_000], bytes(5000)],
    ids=["zero bytes", "text", "truncated", "zeros"],
)
def test_what_is_no_clip_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(MediaError, match="cannot be read as a video"):
        read_frames(tmp_path / "clip.mp4")


def test_a_recording_that_breaks_off_gives_what_is_there(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path / "recording.webm")
    write_clip(pipe, greys(45), container="webm", codec="libvpx-vp9")
    pipe.close()
    data = (tmp_path / "recording.webm").read_bytes()
    (tmp_path / "part.webm").write_bytes(data[: len(data) // 2])
    assert 5 < len(read_frames(tmp_path / "part.webm")) < 40


@pytest.mark.parametrize("name", ["gone.mp4", "."])
def test_a_file_that_is_gone_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="not there any more"):
        read_frames(tmp_path / name)
