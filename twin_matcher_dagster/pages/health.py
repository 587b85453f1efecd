"""`/healthz`: what a page says of itself to whoever keeps it running."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from twin_matcher_dagster.errors import ObjectMissingError, TwinMatcherError
from twin_matcher_dagster.storage.object_store import ObjectStore

# However often strangers ask, the store is asked once in so many seconds.
_STORE_ASKED_EVERY_S = 5.0
# Whoever asks waits for ten; a store that is away is not the page's fault.
_STORE_ANSWERS_WITHIN_S = 5.0


class Health:
    """Whether a page answers, and whether its store does.

    Args:
        store: of the page.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._asked: float | None = None
        self._answers = False
        # Visitors' jobs may keep all other threads busy for minutes.
        self._thread = ThreadPoolExecutor(1, "health")

    def route(self) -> Route:
        """``GET /healthz``: ``{"page": "ok", "store": "ok"}``, or 503 and the store ``"away"``."""
        return Route("/healthz", self._respond)

    async def _respond(self, request: Request) -> JSONResponse:
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._thread, self._store_answers)
        body = {"page": "ok", "store": "ok" if answers else "away"}
        return JSONResponse(body, 200 if answers else 503)

    def _store_answers(self) -> bool:
        """Whether the store answered a moment ago; in one thread at a time."""
        if self._asked is None or time.monotonic() - self._asked > _STORE_ASKED_EVERY_S:
            self._answers = False
            with suppress(TwinMatcherError):
                with suppress(ObjectMissingError):
                    self._store.within(_STORE_ANSWERS_WITHIN_S).get("ready")
                self._answers = True
            self._asked = time.monotonic()
        return self._answers
