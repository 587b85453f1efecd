"""Files that no folder has: what a visitor hands in is gone with the process, whatever ends it."""

from __future__ import annotations

import os
import tempfile
from typing import BinaryIO, cast


def new_memory_file() -> BinaryIO:
    """An empty file to write and read: in memory where the system has such (Linux), else on the
    disk without a name, so that its room is free again as soon as nobody has it open."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("handed-in", os.MFD_CLOEXEC), "w+b")
    return cast(BinaryIO, tempfile.TemporaryFile())
