"""Work of visitors that ends when they leave."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager

import gradio as gr

from twin_matcher_dagster.media.cancellation import Cancellation


class Visits:
    """What is under way for each visitor of a page.

    Args:
        page: that is being built.
    """

    def __init__(self, page: gr.Blocks) -> None:
        page.unload(self.leave)
        self._lock = threading.Lock()
        self._running: defaultdict[str, list[Cancellation]] = defaultdict(list)
        self._ends: dict[str, Callable[[], None]] = {}

    @contextmanager
    def work(self, request: gr.Request | None) -> Generator[Cancellation]:
        """One piece of work; its cancellation comes when the visitor leaves.

        Args:
            request: of the visitor; None where nobody can leave.
        """
        visitor = (request.session_hash if request else None) or ""
        cancellation = Cancellation()
        with self._lock:
            self._running[visitor].append(cancellation)
        try:
            yield cancellation
        finally:
            with self._lock:
                self._running[visitor].remove(cancellation)
                if not self._running[visitor]:
                    del self._running[visitor]

    def at_end(self, request: gr.Request | None, end: Callable[[], None]) -> None:
        """What is done when a visitor leaves, in place of what was to be done before.

        Args:
            request: of the visitor; None where nobody can leave.
            end: it.
        """
        if request and request.session_hash:
            with self._lock:
                self._ends[request.session_hash] = end

    def leave(self, request: gr.Request) -> None:
        """A visitor closed the page, or went elsewhere."""
        with self._lock:
            running = list(self._running.get(request.session_hash or "", ()))
            end = self._ends.pop(request.session_hash or "", None)
        for cancellation in running:
            cancellation.cancel()
        if end:
            end()
