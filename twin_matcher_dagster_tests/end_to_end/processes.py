"""The processes of an installation, by their marks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.leftovers import CHILD_MARK, SERVICE_MARK


def processes_of(home: Path, service: str | None = None) -> list[psutil.Process]:
    """What was started for a state folder, the first first.

    Args:
        home: the state folder.
        service: only this service, and all that it started.
    """
    found = []
    for process in psutil.process_iter():
        try:
            marks = process.environ()
            started = process.create_time()
        except (psutil.Error, OSError):
            continue
        ours = marks.get(CHILD_MARK) == str(home.resolve())
        if ours and service in (None, marks.get(SERVICE_MARK)):
            found.append((started, process.pid, process))
    return [process for *_, process in sorted(found, key=lambda one: one[:2])]


def workers_of(home: Path) -> list[psutil.Process]:
    """The processes of runs, the newest first; not those that follow what a run prints."""
    found = []
    for process in processes_of(home, services.CODE)[:0:-1]:
        with suppress(psutil.Error):
            if "--multiprocessing-fork" in process.cmdline():
                found.append(process)
    return found
