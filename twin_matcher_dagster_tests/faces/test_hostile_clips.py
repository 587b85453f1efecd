"""Two hundred clips that are damaged, hostile or merely odd: an answer each, within the limits."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import av
import numpy as np
import pytest

from twin_matcher_dagster_tests.clips import sample_frames, with_rotation
from twin_matcher_dagster_tests.faces.test_door import (
    check,
    flipped,
    mutations,
    put,
    through_the_door,
    written,
)

SEED = 68
COUNT = 200


def film(
    frames: list[np.ndarray],
    container: str,
    codec: str,
    form: str = "yuv420p",
    rate: int = 10,
    tracks: int = 1,
    coding: dict[str, Any] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """A clip of these frames, with the same track so many times."""
    with (
        NamedTemporaryFile() as file,
        av.open(file.name, "w", format=container, options=options or {}) as output,
    ):
        streams: list[Any] = []
        for _ in range(tracks):
            streams.append(output.add_stream(codec, rate=rate))
            streams[-1].height, streams[-1].width = frames[0].shape[:2]
            streams[-1].pix_fmt = form
            for name, value in (coding or {}).items():
                setattr(streams[-1].codec_context, name, value)
        for index, image in enumerate(frames):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=form)
                frame.pts, frame.time_base = index, Fraction(1, rate)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode())
        output.close()
        return Path(file.name).read_bytes()


def fine_clips() -> dict[str, bytes]:
    """Clips of 24 frames, by the ending of their names: each an answer with faces."""
    frames = [image[::2, ::2] for image in sample_frames("amara_1.mp4", 24)]
    wide: dict[str, Any] = {"color_trc": 18, "color_primaries": 9, "colorspace": 9}
    wide["options"] = {"preset": "ultrafast", "x265-params": "log-level=0"}
    fast, in_parts = {"movflags": "faststart"}, {"movflags": "frag_keyframe+empty_moov"}
    return {
        "mp4": film(frames, "mp4", "libx264"),
        "fast.mp4": film(frames, "mp4", "libx264", options=fast),
        "fragments.mp4": film(frames, "mp4", "libx264", options=in_parts),
        "lying.mp4": film([np.rot90(image) for image in frames], "mp4", "libx264"),
        "turned.mp4": with_rotation(film(frames, "mp4", "libx264"), (0, 1, -1, 0)),
        "hlg.mov": film(frames, "mov", "libx265", "yuv420p10le", coding=wide),
        "two.mkv": film(frames, "matroska", "libx264", tracks=2),
        "vp8.webm": film(frames, "webm", "libvpx"),
        "vp9.webm": film(frames, "webm", "libvpx-vp9"),
        "mjpeg.avi": film(frames, "avi", "mjpeg", "yuvj420p"),
        "flat.mp4": film(frames, "mp4", "libx264", coding={"sample_aspect_ratio": Fraction(4, 3)}),
        "ts": film(frames, "mpegts", "libx264"),
        "gif": film(frames, "gif", "gif", "rgb8"),
        "mpg": film([one for one in frames for _ in range(3)], "mpeg", "mpeg2video", rate=25),
    }


def greedy_clips() -> Iterator[tuple[str, bytes]]:
    """Clips that would take much of the machine: of size, of length, of tracks, of rate."""
    random = np.random.default_rng(SEED)
    blocks = [random.integers(0, 255, (144, 256, 3), np.uint8) for _ in range(2)]
    noise = [image.repeat(16, 0).repeat(16, 1) for image in blocks]
    quiet = "log-level=0:pools=none:frame-threads=1"
    quick = {"options": {"preset": "ultrafast", "x265-params": quiet}}
    yield "4k-noise.mp4", film(noise * 12, "mp4", "mpeg4")
    yield "4k-60-seconds.mp4", film(noise * 30, "mp4", "mpeg4", rate=1)
    yield "4k-10-bits.mov", film(noise * 2, "mov", "libx265", "yuv420p10le", coding=quick)
    small = [np.full((48, 64, 3), n, np.uint8) for n in range(240)]
    yield "240-a-second.mp4", film(small * 4, "mp4", "libx264", rate=240)
    yield "8-tracks.mkv", film(small[:50], "matroska", "libx264", tracks=8)
    yield "an-hour.webm", film(small, "webm", "libvpx", rate=1)
    yield "60-seconds.mp4", film(small, "mp4", "libx264", rate=4)
    large = film([noise[0][:120, :160]] * 3, "avi", "mjpeg", "yuvj420p")
    place = large.index(b"\xff\xc0\x00\x11\x08") + 5
    sides = large[place : place + 4]
    for side in (2_300, 4_000, 30_000):
        yield f"claims-{side}.avi", large.replace(sides, struct.pack(">HH", side, side))


def hostile_clips() -> Iterator[tuple[str, bytes]]:
    """Seeded, so many of all kinds; boxes with wild sizes, and spoilt copies of all fine clips."""
    fine = fine_clips()
    yield from ((f"fine.{ending}", data) for ending, data in fine.items())
    yield from greedy_clips()
    random = np.random.default_rng(SEED)
    mp4 = fine["mp4"]
    for box in (b"moov", b"trak", b"stsd", b"stts", b"stsz", b"stco", b"elst", b"tkhd", b"avcC"):
        for size in (0, 7, 2**31 - 1):
            yield (
                f"{box.decode()}-{size}.mp4",
                put(mp4, mp4.index(box) - 4, struct.pack(">I", size)),
            )
        yield f"{box.decode()}-noise.mp4", put(mp4, mp4.index(box) + 8, random.bytes(16))
    kinds = {ending: mutations(data, random) for ending, data in fine.items()}
    number = 0
    while True:
        for ending, copies in kinds.items():
            what, data = next(copies)
            yield f"{what}-{number}.{ending}", data
            # The head of the file is whole, so that damage comes to the decoders.
            whole = fine[ending]
            crc = zlib.crc32(ending.encode()) + number
            damaged = flipped(whole, 30, np.random.default_rng(crc), first=len(whole) // 3)
            yield f"inside-{number}.{ending}", damaged
        number += 1


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_hostile_clips_are_answered_within_the_limits(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    named = (one for one, _ in zip(hostile_clips(), range(COUNT), strict=False))
    paths = written(files, named)
    assert len(paths) == COUNT
    said, about = through_the_door(tmp_path, [("clip", path) for path in paths], 2900)
    check(said, about, decoders=1)
    # Fine ones are taken, in whatever form they come.
    fine = [one for one in said if "-fine." in one.path]
    assert [one.path for one in fine if one.outcome != "fine"] == []
    assert max(one.cpu_s for one in said) < 20
    # Of the decoders; what the worker reports of itself it inherits from this process.
    assert about["child_peak_bytes"] < 2**30
