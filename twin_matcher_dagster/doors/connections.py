"""Connections of a site: those that say nothing are closed, and one client has so many."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_WITHIN_S = 10.0
"""A request's line and headers come within this; a browser sends them at once."""


def guarded_protocol(most: int, is_exempt: Callable[[str], bool]) -> type[H11Protocol]:
    """The protocol for :class:`uvicorn.Config`, which has no limits of its own here.

    Args:
        most: connections of one address.
        is_exempt: whether an address may have more: that of a proxy.
    """
    held: Counter[str] = Counter()

    class GuardedProtocol(H11Protocol):
        """A connection that is closed if its next request does not come."""

        _late: asyncio.TimerHandle | None = None
        _address = ""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._address = self.client[0] if self.client else ""
            held[self._address] += 1
            if held[self._address] > most and not is_exempt(self._address):
                transport.abort()
                return
            self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect_nothing()
            held[self._address] -= 1
            if held[self._address] <= 0:
                del held[self._address]
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._under_way():
                self._expect_nothing()
            elif self._late is None:
                self._expect_headers()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            # From now on the time of an idle connection counts, which uvicorn knows.
            self._expect_nothing()

        def _under_way(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _expect_headers(self) -> None:
            self._late = self.loop.call_later(HEADERS_WITHIN_S, self._close_late)

        def _expect_nothing(self) -> None:
            if self._late is not None:
                self._late.cancel()
            self._late = None

        def _close_late(self) -> None:
            if not self.transport.is_closing():
                self.transport.abort()

    return GuardedProtocol
