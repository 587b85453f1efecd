"""One file for what all services print, each line with its time and its service."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

# Services at rest print some 30 MB a day.
_FULL_BYTES = 50_000_000


class ServiceLog:
    """A file of lines, and the one before it; a full disk loses lines and stops nobody.

    Args:
        path: of the file; what is there stays. When it is full it becomes ``<path>.1``.
        full_bytes: how large it may grow.
    """

    def __init__(self, path: Path, full_bytes: int = _FULL_BYTES) -> None:
        self.path = path
        self._full_bytes = full_bytes
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}

    def follow(self, name: str, lines: IO[bytes]) -> None:
        """Write down what comes out of a pipe, until all that hold its other end have ended."""
        threading.Thread(target=self._pump, args=(name, lines), daemon=True).start()

    def write(self, name: str, line: str) -> None:
        """Write one line down."""
        self._last[name] = line
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self._lock, suppress(OSError, ValueError):
            self._file.write(f"{stamp} {name:<7} | {line}\n".encode())
            if self._file.tell() > self._full_bytes:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                self._file.close()
                self._file = self.path.open("ab", buffering=0)

    def last_of(self, name: str) -> str:
        """The last line of a service."""
        return self._last.get(name, "")

    def close(self) -> None:
        """Close the file; what is printed from now on is lost."""
        with self._lock, suppress(OSError):
            self._file.close()

    def _pump(self, name: str, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self.write(name, line.decode(errors="replace").rstrip())
