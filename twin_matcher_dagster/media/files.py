"""What may be opened of what strangers hand in."""

from __future__ import annotations

from pathlib import Path


def is_file(path: Path) -> bool:
    """No folder, no pipe that nobody writes to, no name that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False
