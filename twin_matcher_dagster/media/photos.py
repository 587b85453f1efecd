"""Photos that strangers hand in: decoded in a child process that can be killed."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path
from types import TracebackType

import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.child_answers import LENGTH, REFUSED, read_exactly, read_sentence
from twin_matcher_dagster.media.child_nursery import ChildNursery, ForkedChild
from twin_matcher_dagster.media.file_kinds import kind_of
from twin_matcher_dagster.media.photo_decoding import check_bytes
from twin_matcher_dagster.media.photo_process import CPU_S, PIXELS, SIZE

# The child ends itself after 12 seconds of the processor; it may have to wait for one.
PHOTO_TIMEOUT_S = 4 * CPU_S
_NURSERY = ChildNursery("twin_matcher_dagster.media.photo_process")


def read_photo(source: bytes | Path, cancellation: Cancellation | None = None) -> np.ndarray:
    """Decode one photo; of several, a :class:`PhotoReader` takes less time.

    Args, returns and raises: as of :meth:`PhotoReader.read`.
    """
    with PhotoReader(cancellation) as reader:
        return reader.read(source)


class PhotoReader:
    """Reads the photos of one request, or of one source, in a child process of their own.

    Args:
        cancellation: of the request; the child is killed when it is cancelled.
    """

    def __init__(self, cancellation: Cancellation | None = None) -> None:
        # One that was not cancelled is false.
        self._cancellation = Cancellation() if cancellation is None else cancellation
        self._child: ForkedChild | None = None

    def __enter__(self) -> PhotoReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def read(self, source: bytes | Path) -> np.ndarray:
        """Decode a photo the way it is meant to be seen.

        Args:
            source: the encoded file, or its path.

        Returns:
            uint8 RGB [height, width, 3], upright by its EXIF orientation, in sRGB, on white where
            it is transparent, shrunk to at most 16 megapixels; of several pictures the first.

        Raises:
            MediaError: no photo, one that cannot be read, one outside the limits, or nobody waits.
        """
        data = source if isinstance(source, bytes) else bytes_of_photo(source)
        check_bytes(len(data))
        child = self._child = self._child or _NURSERY.take()
        # What hangs is killed; the pipe then ends.
        watchdog = threading.Timer(PHOTO_TIMEOUT_S, child.kill)
        watchdog.start()
        try:
            with self._cancellation.stopping(child.kill):
                return _exchange(child, data)
        except (EOFError, OSError) as error:
            raise MediaError(self._why_it_ended(child, data)) from error
        finally:
            watchdog.cancel()

    def _why_it_ended(self, child: ForkedChild, data: bytes) -> str:
        """The sentence for a child that gave no answer."""
        code = child.wait()
        self._end()
        if self._cancellation:
            return refusals.PHOTO_CANCELLED()
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return refusals.PHOTO_TOO_HEAVY()
        kind = kind_of(data)
        return refusals.PHOTO_DAMAGED(kind=kind.name if kind else "")

    def _end(self) -> None:
        if self._child:
            _NURSERY.end(self._child)
        self._child = None


def bytes_of_photo(path: Path) -> bytes:
    """The bytes of a file, if it is one and not larger than a photo may be.

    Raises:
        MediaError: it is not there, a folder, a pipe, empty, or too large.
    """
    try:
        # A pipe that nobody writes to is not waited for.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                raise MediaError(refusals.PHOTO_GONE())
            check_bytes(about.st_size)
            with os.fdopen(os.dup(file), "rb") as opened:
                return opened.read(about.st_size)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:
        raise MediaError(refusals.PHOTO_GONE()) from error


def _exchange(child: ForkedChild, data: bytes) -> np.ndarray:
    """Hand the child a photo, and take the pixels."""
    child.stdin.write(LENGTH.pack(len(data)) + data)
    child.stdin.flush()
    kind = child.stdout.read(1)
    if kind == REFUSED:
        raise MediaError(read_sentence(child.stdout))
    if kind != PIXELS:
        raise EOFError
    width, height = SIZE.unpack(read_exactly(child.stdout, SIZE.size))
    pixels = read_exactly(child.stdout, width * height * 3)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
