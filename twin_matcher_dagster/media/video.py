"""Frames out of a clip, sampled by time, decoded in a child process that can be killed.

PyAV (FFmpeg's own libraries) rather than OpenCV's reader: it gives each frame's presentation time
and rotation, which a browser's webcam recording (variable frame rate, no duration in the header)
and a phone's clip need.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.child_process import ChildPool, read_exactly
from twin_matcher_dagster.media.decoder_process import (
    DONE,
    ERROR,
    ERROR_HEADER,
    FRAME,
    FRAME_HEADER,
)
from twin_matcher_dagster.media.file_kinds import HEAD_BYTES, kind_of
from twin_matcher_dagster.media.files import is_file
from twin_matcher_dagster.media.frame_format import MIRRORED, SWAPPED, UPSIDE_DOWN
from twin_matcher_dagster.media.frame_sampling import TimeGrid

SAMPLE_EVERY_S = 0.1
MAX_FRAMES = 100
MAX_BYTES = 200 * 1024 * 1024
# Enough for a 160-pixel face crop, and a bound on memory: 100 frames of 640 x 480 are 92 MB.
WORKING_SIDE = 720
# Time for a whole clip. A 4K clip of a minute takes two cores about that long.
TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Frame:
    """One frame of a clip: ``time`` in seconds from its start, ``image`` uint8 RGB [h, w, 3]."""

    time: float
    image: np.ndarray


def read_frames(path: Path, every_s: float = SAMPLE_EVERY_S) -> list[Frame]:
    """Decode a clip and keep a frame every 100 ms, at most 100, spread over the whole clip.

    Args:
        path: a video file: MP4, MOV, M4V, WebM, AVI and what else FFmpeg reads.
        every_s: seconds between frames.

    Returns:
        Frames in order of time, shrunk to 720 pixels on the longer side.

    Raises:
        MediaError: not a video, damaged, without frames, or outside the limits.
    """
    kept: list[Frame] = []
    grid = TimeGrid(every_s)
    for frame in stream_frames(path, every_s):
        if grid.takes(frame.time):
            kept.append(frame)
        if len(kept) > MAX_FRAMES:
            kept = kept[::2]
            grid.thin_out()
    return kept


def stream_frames(path: Path, every_s: float = SAMPLE_EVERY_S) -> Iterator[Frame]:
    """The frames of a clip as they are decoded, so that they can be looked at meanwhile.

    As :func:`read_frames`, but a long clip gives more than 100.
    """
    if not is_file(path) or path.is_symlink():
        raise MediaError(refusals.CLIP_GONE())
    if path.stat().st_size > MAX_BYTES:
        raise MediaError(refusals.CLIP_TOO_LARGE(limit=MAX_BYTES // 2**20))
    _refuse_photo(path)
    child = _WAITING.take()
    # What hangs is killed; the pipe then ends, which is an error like any other.
    overdue = threading.Event()

    def stop() -> None:
        overdue.set()
        child.kill()

    watchdog = threading.Timer(TIMEOUT_S, stop)
    watchdog.start()
    count = 0
    try:
        for frame in _exchange(child, path, every_s):
            count += 1
            yield frame
    except (EOFError, OSError) as error:
        why = refusals.CLIP_TOO_SLOW if overdue.is_set() else refusals.CLIP_DAMAGED
        raise MediaError(why()) from error
    finally:
        watchdog.cancel()
        _WAITING.end(child)
    if not count:
        raise MediaError(refusals.CLIP_WITHOUT_FRAMES())


def _exchange(child: subprocess.Popen[bytes], path: Path, every_s: float) -> Iterator[Frame]:
    """Hand the child its task, and read what it writes."""
    if child.stdin is None or child.stdout is None:
        raise EOFError
    task = {"path": str(path.absolute()), "every_s": every_s, "side": WORKING_SIDE}
    child.stdin.write(json.dumps(task).encode() + b"\n")
    child.stdin.flush()
    while (kind := child.stdout.read(1)) == FRAME:
        time, width, height, turns = FRAME_HEADER.unpack(
            read_exactly(child.stdout, FRAME_HEADER.size)
        )
        pixels = np.frombuffer(read_exactly(child.stdout, width * height * 3), np.uint8)
        yield Frame(time, _upright(pixels.reshape(height, width, 3), turns))
    if kind == ERROR:
        (length,) = ERROR_HEADER.unpack(read_exactly(child.stdout, ERROR_HEADER.size))
        sentence = read_exactly(child.stdout, min(length, 1000)).decode(errors="replace")
        raise MediaError(sentence)
    if kind != DONE:
        raise EOFError


def _refuse_photo(path: Path) -> None:
    """Say so where a photo was handed in: FFmpeg would take some for clips of one frame.

    Raises:
        MediaError: it is one.
    """
    with path.open("rb") as file:
        kind = kind_of(file.read(HEAD_BYTES))
    if kind and kind.group == "photo" and kind.name != "GIF":
        raise MediaError(refusals.CLIP_IS_PHOTO(kind=kind.name))


def _upright(lying: np.ndarray, turns: int) -> np.ndarray:
    image = lying.swapaxes(0, 1) if turns & SWAPPED else lying
    image = image[:, ::-1] if turns & MIRRORED else image
    return np.ascontiguousarray(image[::-1] if turns & UPSIDE_DOWN else image)


_WAITING = ChildPool("twin_matcher_dagster.media.decoder_process")
