"""Portraits of recent answers, by the SHA-256 of what they show: nobody can go through all."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

_BYTES = 32 * 2**20
"""Some 700 portraits of 45 kB; the pictures of 80 answers with three twins."""


class RecentPortraits:
    """Pictures that were shown a moment ago, and can be asked for by a program.

    Those of an earlier release are forgotten: somebody may have been erased since.
    """

    def __init__(self, most: int = _BYTES) -> None:
        self._lock = threading.Lock()
        self._most, self._release, self._size = most, 0, 0
        self._pictures: OrderedDict[str, bytes] = OrderedDict()

    def add(self, release: int, picture: bytes) -> str:
        """Keep a picture for a while, and return its name.

        Args:
            release: number of the release that shows it.
            picture: encoded.
        """
        name = hashlib.sha256(picture).hexdigest()
        with self._lock:
            self._forget_before(release)
            if release == self._release:
                self._size += len(picture) - len(self._pictures.pop(name, b""))
                self._pictures[name] = picture
            while self._size > self._most:
                self._size -= len(self._pictures.popitem(last=False)[1])
        return name

    def get(self, release: int, name: str) -> bytes | None:
        """A picture by its name; None where it is not kept.

        Args:
            release: number of the release that answers now.
            name: as of :meth:`add`.
        """
        with self._lock:
            self._forget_before(release)
            return self._pictures.get(name)

    def _forget_before(self, release: int) -> None:
        if release > self._release:
            self._release, self._size = release, 0
            self._pictures.clear()
