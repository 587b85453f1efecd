"""Frames out of a clip, sampled by time, decoded in a child process that can be killed.

PyAV (FFmpeg's own libraries) rather than OpenCV's reader: it gives each frame's presentation time
and rotation, which a browser's webcam recording (variable frame rate, no duration in the header)
and a phone's clip need.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from twin_matcher_dagster import clip_refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.child_answers import REFUSED, read_exactly, read_sentence
from twin_matcher_dagster.media.child_process import ChildPool, HandedChild
from twin_matcher_dagster.media.colour import in_srgb
from twin_matcher_dagster.media.decoder_process import DONE, FRAME, FRAME_HEADER
from twin_matcher_dagster.media.frame_format import MIRRORED, SWAPPED, UPSIDE_DOWN
from twin_matcher_dagster.media.frame_sampling import TimeGrid

SAMPLE_EVERY_S = 0.1
MAX_FRAMES = 100
MAX_BYTES = 200 * 1024 * 1024
# Enough for a 160-pixel face crop, and a bound on memory: 100 frames of 640 x 480 are 92 MB.
WORKING_SIDE = 720
# Time for a whole clip, on a machine with other work to do: the child has 14 seconds of processor.
TIMEOUT_S = 90.0
Clip = Path | BinaryIO
"""A clip as its file: by its path, or open, which no other file can be put in place of."""
# A child that closed its pipe ends within this.
_END_S = 1.0


@dataclass(frozen=True)
class Frame:
    """One frame of a clip: ``time`` in seconds from its start, ``image`` uint8 RGB [h, w, 3]."""

    time: float
    image: np.ndarray


def read_frames(clip: Clip, every_s: float = SAMPLE_EVERY_S) -> list[Frame]:
    """Decode a clip and keep a frame every 100 ms, at most 100, spread over the whole clip.

    Args:
        clip: a video file: MP4, MOV, M4V, WebM, AVI and what else FFmpeg reads.
        every_s: seconds between frames.

    Returns:
        Frames in order of time, shrunk to 720 pixels on the longer side.

    Raises:
        MediaError: not a video, damaged, without frames, or outside the limits.
    """
    kept: list[Frame] = []
    grid = TimeGrid(every_s)
    for frame in stream_frames(clip, every_s):
        if grid.takes(frame.time):
            kept.append(frame)
        if len(kept) > MAX_FRAMES:
            kept = kept[::2]
            grid.thin_out()
    return kept


def stream_frames(clip: Clip, every_s: float = SAMPLE_EVERY_S) -> Iterator[Frame]:
    """The frames of a clip as they are decoded, so that they can be looked at meanwhile.

    As :func:`read_frames`; a damaged clip, whose times are wrong, may give more than 100.
    """
    with _opened(clip) as file:
        yield from _decoded(file, every_s)


@contextlib.contextmanager
def _opened(clip: Clip) -> Generator[int]:
    """The descriptor of a clip's file, which is one, and not too large."""
    if not isinstance(clip, Path):
        _check_file(clip.fileno())
        yield clip.fileno()
        return
    try:
        # A pipe that nobody writes to is not waited for, nor is another file named by a link.
        file = os.open(clip, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        raise MediaError(clip_refusals.CLIP_GONE()) from error
    try:
        _check_file(file)
        yield file
    finally:
        os.close(file)


def _check_file(file: int) -> None:
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode):
        raise MediaError(clip_refusals.CLIP_GONE())
    if about.st_size > MAX_BYTES:
        raise MediaError(clip_refusals.CLIP_TOO_LARGE(limit=MAX_BYTES // 2**20))


def _decoded(file: int, every_s: float) -> Iterator[Frame]:
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
        for frame in _exchange(child, file, every_s):
            count += 1
            yield frame
    except (EOFError, OSError) as error:
        slow = overdue.is_set() or _ran_out_of_time(child)
        why = clip_refusals.CLIP_TOO_SLOW if slow else clip_refusals.CLIP_DAMAGED
        raise MediaError(why()) from error
    finally:
        watchdog.cancel()
        _WAITING.end(child)
    if not count:
        raise MediaError(clip_refusals.CLIP_WITHOUT_FRAMES())


def _exchange(child: HandedChild, file: int, every_s: float) -> Iterator[Frame]:
    """Hand the child its task and the open file, and read what it writes."""
    if child.stdout is None:
        raise EOFError
    task = {"every_s": every_s, "side": WORKING_SIDE, "most": MAX_FRAMES}
    socket.send_fds(child.line, [json.dumps(task).encode()], [file])
    while (kind := child.stdout.read(1)) == FRAME:
        header = FRAME_HEADER.unpack(read_exactly(child.stdout, FRAME_HEADER.size))
        time, width, height, turns, transfer, primaries = header
        pixels = np.frombuffer(read_exactly(child.stdout, width * height * 3), np.uint8)
        image = in_srgb(pixels.reshape(height, width, 3), transfer, primaries)
        yield Frame(time, _upright(image, turns))
    if kind == REFUSED:
        raise MediaError(read_sentence(child.stdout))
    if kind != DONE:
        raise EOFError


def _ran_out_of_time(child: subprocess.Popen[bytes]) -> bool:
    """Whether the system ended it for the processor time that it took."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(_END_S) == -signal.SIGXCPU
    return False


def _upright(lying: np.ndarray, turns: int) -> np.ndarray:
    image = lying.swapaxes(0, 1) if turns & SWAPPED else lying
    image = image[:, ::-1] if turns & MIRRORED else image
    return np.ascontiguousarray(image[::-1] if turns & UPSIDE_DOWN else image)


_WAITING = ChildPool("twin_matcher_dagster.media.decoder_process")
