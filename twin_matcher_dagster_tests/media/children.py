"""Child processes of a test."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children_of(module: str) -> list[psutil.Process]:
    """The living children of this process that run a module.

    One that has ended and was not waited for yet, whosever it is, has no command line.
    """
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any(module in part for part in child.cmdline()):
                found.append(child)
    return found
