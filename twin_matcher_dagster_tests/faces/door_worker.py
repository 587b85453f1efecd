"""Hands files to the door one after another, and writes down what it said: run by test_door.py.

    python -m twin_matcher_dagster_tests.faces.door_worker TASKS ANSWERS

TASKS is JSON, a list of [kind, path]; ANSWERS gets a line of JSON for each, in the same order, and
one more about the process itself. A line is started before its file is touched: a crash shows on
which one it was.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.faces.clip import ClipReport, extract_faces
from twin_matcher_dagster.faces.photo_set import extract_from_photos
from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.media.photos import PhotoReader

# Of the clock: a busy machine may need more of it than of the processor, which is noted.
SECONDS_A_FILE = 60
# One child for all, as for the photos of one source.
READER = PhotoReader()
ADDRESS_SPACE = 8 * 2**30


class OutOfTimeError(BaseException):
    """No Exception: the door must not take it for a fault of the file."""


def out_of_time(number: int, frame: object) -> None:
    raise OutOfTimeError


def clip(path: Path) -> str:
    return told(extract_faces(path))


def photo(path: Path) -> str:
    return told(extract_from_photos([path]))


def told(report: ClipReport) -> str:
    """Its refusal in words, too, is something that people are shown."""
    report.raise_if_refused()
    return f"{len(report.faces)} faces"


def probe(path: Path) -> str:
    """As the prediction page reads it."""
    return f"{len(both_views(READER.read(path)).crops)} views"


def image(path: Path) -> str:
    found = READER.read(path)
    if found.ndim != 3 or found.shape[2] != 3 or found.dtype.name != "uint8":
        raise TypeError(f"{found.dtype} {found.shape}")
    return f"{found.shape[1]} x {found.shape[0]}"


DOORS: dict[str, Callable[[Path], str]] = {
    "clip": clip,
    "photo": photo,
    "image": image,
    "probe": probe,
}


def answer(kind: str, path: Path) -> tuple[str, str]:
    """What happened to one file: "fine", "refused", or what must not be; and the words."""
    try:
        # Again and again: once may fall into a place where Python drops exceptions.
        signal.setitimer(signal.ITIMER_REAL, SECONDS_A_FILE, 1)
        try:
            return "fine", DOORS[kind](path)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except TwinMatcherError as error:
        return "refused", str(error)
    except OutOfTimeError:
        return "hangs", f"more than {SECONDS_A_FILE} seconds"
    except Exception as error:
        return "crashes", repr(error)


def cpu_s() -> float:
    """Processor time of this process and of its children, of those too that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = 0.0
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            times = child.cpu_times()
            living += times.user + times.system
    return time.process_time() + ended.ru_utime + ended.ru_stime + living


def main() -> None:
    tasks, answers = map(Path, sys.argv[1:])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, hard))
    signal.signal(signal.SIGALRM, out_of_time)
    me = psutil.Process()
    # Fine files first, so that everything is loaded before open files are counted.
    listed = json.loads(tasks.read_text())
    open_before = None
    with answers.open("w") as out:
        for index, (kind, path) in enumerate(listed):
            if index == min(5, len(listed) - 1):
                open_before = me.num_fds()
            out.write(json.dumps({"kind": kind, "path": path})[:-1])
            out.flush()
            start, used = time.monotonic(), cpu_s()
            outcome, words = answer(kind, Path(path))
            seconds, used = time.monotonic() - start, cpu_s() - used
            end = {"outcome": outcome, "words": words, "seconds": round(seconds, 3), "cpu_s": used}
            out.write(", " + json.dumps(end)[1:] + "\n")
            out.flush()
        READER.__exit__(None, None, None)
        unit = 1 if sys.platform == "darwin" else 1024
        about = {
            "children": [
                child.as_dict(["pid", "name", "status"]) for child in me.children(recursive=True)
            ],
            "open_before": open_before,
            "open_after": me.num_fds(),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
            "child_peak_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit,
            "pid": os.getpid(),
        }
        out.write(json.dumps(about) + "\n")


if __name__ == "__main__":
    main()
