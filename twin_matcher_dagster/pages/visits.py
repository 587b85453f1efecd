"""What is done when a visitor leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable

import gradio as gr


class Visits:
    """What is to be done for each visitor of a page when they close it.

    Args:
        page: that is being built.
    """

    def __init__(self, page: gr.Blocks) -> None:
        page.unload(self.leave)
        self._lock = threading.Lock()
        self._ends: dict[str, Callable[[], None]] = {}

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
            end = self._ends.pop(request.session_hash or "", None)
        if end:
            end()
