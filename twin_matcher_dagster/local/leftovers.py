"""Processes that outlived whoever started them: how they are known, found and stopped.

Every process of an installation carries a mark in its environment, which its own children inherit.
As a program this module is the guard: it reads its input until whoever holds the other end is gone,
however that came, and stops what is marked. A pipe tells it on Linux and macOS alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

CHILD_MARK = "TWIN_MATCHER_CHILD"
"""Variable by which left-over processes of an installation are recognised."""

SERVICE_MARK = "TWIN_MATCHER_SERVICE"
"""Variable that says which service a process is, or was started by."""

PAGES_FOLDER = "pages"
"""Folder in the state folder where the pages have what visitors show them."""

# What is killed ends at once, unless it waits for a disk.
_KILL_SECONDS = 5
# A process that is just being started shows no environment yet, and one that is stopped may have
# started another since it was looked for. So it is looked again until twice nobody is found.
_STARTING_SECONDS = 0.05


def stop_leftovers(
    home: Path, services: Collection[str] | None = None, patience_s: float = 8
) -> int:
    """Stop every process that was started for this state folder, except our own line.

    Args:
        home: the state folder.
        services: only those of these services, and all that they started.
        patience_s: what has not ended so many seconds after it was asked to is killed; with 0
            nobody is asked.

    Returns:
        How many there were.
    """
    seen: set[psutil.Process] = set()
    nobody_before = False
    while True:
        left = _started_for(home, services) - seen
        if not left and nobody_before:
            return len(seen)
        _end(left, patience_s)
        seen |= left
        nobody_before = not left
        time.sleep(_STARTING_SECONDS)


def _end(processes: Collection[psutil.Process], patience_s: float) -> None:
    for process in processes if patience_s else ():
        with suppress(psutil.Error):
            process.terminate()
    for process in _left_after(patience_s, processes):
        with suppress(psutil.Error):
            process.kill()
    _left_after(_KILL_SECONDS, processes)


def _started_for(home: Path, services: Collection[str] | None) -> set[psutil.Process]:
    """The processes of a state folder, except our own line."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            marks = process.environ() if process.pid not in own else {}
            ours = marks.get(CHILD_MARK) == str(home)
            if ours and (services is None or marks.get(SERVICE_MARK) in services):
                found.add(process)
    return found


def _left_after(seconds: float, processes: Collection[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended after some seconds; whoever waits for them to end may be late."""
    deadline = time.monotonic() + seconds
    while (left := [each for each in processes if _runs(each)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def forget_visitors(home: Path) -> None:
    """Delete the photos and clips that pages, stopped by now, had in their temporary folder."""
    shutil.rmtree(home / PAGES_FOLDER, ignore_errors=True)


def start_guard(home: Path) -> subprocess.Popen[bytes]:
    """Start the guard of a state folder. It acts when this process is gone, or closes its input."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(home)],
        env={**os.environ, CHILD_MARK: str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for the process that it guards.
        start_new_session=True,
    )


if __name__ == "__main__":
    sys.stdin.read()
    stop_leftovers(Path(sys.argv[1]))
    forget_visitors(Path(sys.argv[1]))
