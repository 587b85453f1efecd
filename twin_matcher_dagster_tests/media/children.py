"""Child processes of a test."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children_of(module: str, *, recursive: bool = False) -> list[psutil.Process]:
    """The living children of this process that run a module.

    One that has ended and was not waited for yet, whosever it is, has no command line.

    Args:
        module: part of its name.
        recursive: theirs too. A page that runs for other tests may have such children as well.
    """
    found = []
    for child in psutil.Process().children(recursive=recursive):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any(module in part for part in child.cmdline()):
                found.append(child)
    return found
