"""Who asks waits for a turn; whoever would wait for too long is told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from twin_matcher_dagster.api.problems import ProblemError
from twin_matcher_dagster.release.tally import waiting

READING = 8
"""Requests whose photos are in memory at a time: 25 MB at most, 50 of a comparison."""

ANSWERING = 2
"""Of these so many are answered at a time, as many as of a page's visitors; the others come."""

WAITING = 50
"""Requests that wait, of which nothing is read yet; as many as a page lets wait."""


class Turns:
    """Turns of one process.

    Args:
        reading: how many requests may be read at a time.
        may_wait: how many may wait for that.
        answering: how many of them may be answered at a time.

    Attributes:
        answer: ``async with`` this, one is answered.
    """

    def __init__(
        self, reading: int = READING, may_wait: int = WAITING, answering: int = ANSWERING
    ) -> None:
        self._inside = asyncio.Semaphore(reading)
        self.answer = asyncio.Semaphore(answering)
        self._may_wait, self._waiting = may_wait, 0

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[None]:
        """Wait for a turn, and have it while the block lasts.

        Raises:
            ProblemError: too many wait already.
        """
        if self._inside.locked() and self._waiting >= self._may_wait:
            raise ProblemError(503, "busy", "Too many ask at the moment. Ask again in a moment.")
        self._waiting += 1
        try:
            with waiting("api"):
                await self._inside.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._inside.release()
