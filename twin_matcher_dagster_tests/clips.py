"""Clips made for a test."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from twin_matcher_dagster.faces.clip import ClipReport, extract_faces
from twin_matcher_dagster.media.video import read_frames
from twin_matcher_dagster.settings import SAMPLE

CLIPS = tuple(sorted((SAMPLE / "clips").iterdir()))
_MILLISECOND = Fraction(1, 1000)


class Pipe:
    """Something to write to that cannot seek, as a browser's recorder: headers stay unfinished."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()


def sample_frames(name: str, count: int) -> list[np.ndarray]:
    """Frames of a sample clip, one every 100 ms: uint8 RGB [480, 640, 3], not to be written to."""
    return _all_frames(name)[:count]


@lru_cache(maxsize=4)
def _all_frames(name: str) -> list[np.ndarray]:
    return [frame.image for frame in read_frames(SAMPLE / "clips" / name)]


@lru_cache(maxsize=len(CLIPS))
def sample_report(clip: Path) -> tuple[ClipReport, list[float]]:
    """What the door says to a sample clip, and the progress that it reported, worked out once."""
    progress: list[float] = []
    return extract_faces(clip, progress.append), progress


def write_clip(
    target: Path | Pipe | io.BytesIO,
    images: Iterable[np.ndarray],
    times_ms: Iterable[int] | None = None,
    container: str = "mp4",
    codec: str = "libx264",
) -> None:
    """Encode images, one every 100 ms or at given times.

    The target is a path, memory, or a :class:`Pipe`.
    """
    options = {"deadline": "realtime", "cpu-used": "8"} if "vp" in codec else {}
    # AVI counts frames, and has no other times.
    unit, step = (Fraction(1, 10), 1) if container == "avi" else (_MILLISECOND, 100)
    place = str(target) if isinstance(target, Path) else target
    with av.open(place, "w", format=container) as output:
        stream: Any = None
        for index, (image, time) in enumerate(zip(images, times_ms or _endless(), strict=False)):
            if stream is None:
                stream = output.add_stream(codec, rate=10, options=options)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                stream.codec_context.time_base = unit
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time if times_ms else step * index, unit
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def _endless() -> Iterable[int]:
    return iter(int, 1)


def greys(count: int) -> list[np.ndarray]:
    """Frames that get brighter, two levels each: uint8 RGB [48, 64, 3]."""
    return [np.full((48, 64, 3), min(255, 2 * n), np.uint8) for n in range(count)]


def with_rotation(clip: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """An MP4 file whose display matrix says how to turn it: its a, b, c and d, as -1, 0 or 1."""
    start = clip.index(b"tkhd") + 44  # the matrix of a track header of version 0
    a, b, c, d = (65536 * n for n in matrix)
    numbers = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return clip[:start] + numbers + clip[start + len(numbers) :]
