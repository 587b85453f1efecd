"""Work that ends early because nobody waits for it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Cancellation:
    """Says to work under way that it is not wanted any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._cancelled = False

    def __bool__(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Stop what is under way, and what begins from now on."""
        with self._lock:
            self._cancelled = True
            stops, self._stops = self._stops, []
        for stop in stops:
            stop()

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Generator[None]:
        """While this lasts, cancelling calls ``stop``; at once if it was cancelled before."""
        with self._lock:
            if not self._cancelled:
                self._stops.append(stop)
        if self._cancelled:
            stop()
        try:
            yield
        finally:
            with self._lock:
                if stop in self._stops:
                    self._stops.remove(stop)
