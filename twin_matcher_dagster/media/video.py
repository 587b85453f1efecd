"""Frames out of a clip, sampled by time, decoded in a child process that can be killed.

PyAV (FFmpeg's own libraries) rather than OpenCV's reader: it gives each frame's presentation time
and rotation, which a browser's webcam recording (variable frame rate, no duration in the header)
and a phone's clip need.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeGuard

import numpy as np

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.decoder_process import (
    DONE,
    ERROR,
    ERROR_HEADER,
    FRAME,
    FRAME_HEADER,
)
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
# What is left to do with a clip after its last frame takes about so long.
REFILL_AFTER_S = 0.5
# The most that Linux gives without asking.
_PIPE_BYTES = 2**20

_DAMAGED = "The clip cannot be read as a video. Record it again, or save it as MP4 or WebM."
_TOO_SLOW = (
    "The clip took too long to read. Record 4 to 5 seconds, in a smaller picture than 4K, and try "
    "again."
)


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
        raise MediaError("The clip is not there any more. Upload or record it again.")
    if path.stat().st_size > MAX_BYTES:
        raise MediaError(f"The clip is larger than {MAX_BYTES // 2**20} MB. Record 4 to 5 seconds.")
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
    except MediaError:
        if overdue.is_set():
            raise MediaError(_TOO_SLOW) from None
        raise
    finally:
        watchdog.cancel()
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()
        _WAITING.refill_soon()
    if not count:
        raise MediaError("The clip has no frames. Record it again.")


def _exchange(child: subprocess.Popen[bytes], path: Path, every_s: float) -> Iterator[Frame]:
    """Hand the child its task, and read what it writes."""
    if child.stdin is None or child.stdout is None:
        raise MediaError(_DAMAGED)
    task = {"path": str(path.absolute()), "every_s": every_s, "side": WORKING_SIDE}
    try:
        child.stdin.write(json.dumps(task).encode() + b"\n")
        child.stdin.flush()
    except OSError as error:
        raise MediaError(_DAMAGED) from error
    while (kind := child.stdout.read(1)) == FRAME:
        time, width, height, turns = FRAME_HEADER.unpack(_read(child.stdout, FRAME_HEADER.size))
        pixels = np.frombuffer(_read(child.stdout, width * height * 3), np.uint8)
        yield Frame(time, _upright(pixels.reshape(height, width, 3), turns))
    if kind == ERROR:
        (length,) = ERROR_HEADER.unpack(_read(child.stdout, ERROR_HEADER.size))
        raise MediaError(_read(child.stdout, min(length, 1000)).decode(errors="replace"))
    if kind != DONE:
        raise MediaError(_DAMAGED)


def _upright(lying: np.ndarray, turns: int) -> np.ndarray:
    image = lying.swapaxes(0, 1) if turns & SWAPPED else lying
    image = image[:, ::-1] if turns & MIRRORED else image
    return np.ascontiguousarray(image[::-1] if turns & UPSIDE_DOWN else image)


def _read(pipe: IO[bytes], size: int) -> bytes:
    """Exactly so many bytes; the child was killed, or crashed, where there are fewer."""
    data = pipe.read(size)
    if len(data) != size:
        raise MediaError(_DAMAGED)
    return data


class _WaitingChild:
    """One child that has started already and waits: starting takes as long as a short clip."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spare: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def take(self) -> subprocess.Popen[bytes]:
        """A fresh child for one clip."""
        with self._lock:
            child, self._spare = self._spare, None
            return child if self._usable(child) else _start()

    def refill_soon(self) -> None:
        """Start the next one when the clip at hand needs the processor no more."""
        timer = threading.Timer(REFILL_AFTER_S, self._refill)
        timer.daemon = True
        timer.start()

    def _refill(self) -> None:
        with self._lock:
            if not self._usable(self._spare):
                self._spare, self._owner = _start(), os.getpid()

    def _usable(self, child: subprocess.Popen[bytes] | None) -> TypeGuard[subprocess.Popen[bytes]]:
        """Whether it lives, and is ours: after a fork the pipes would be shared with the parent."""
        return child is not None and self._owner == os.getpid() and child.poll() is None


def _start() -> subprocess.Popen[bytes]:
    """A child that is not handed our environment: it has no use for credentials."""
    kept = ("PATH", "LANG", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    # Handed on rather than found again (-S): looking for packages is a quarter of the start.
    packages = [str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]
    child = subprocess.Popen(
        [sys.executable, "-S", "-m", "twin_matcher_dagster.media.decoder_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PYTHONPATH": os.pathsep.join(packages),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        close_fds=True,
    )
    # Room for a frame, where the system allows it: the child decodes the next one meanwhile.
    if child.stdout and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return child


_WAITING = _WaitingChild()
