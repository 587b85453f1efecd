"""What a site says of itself to whoever keeps it running: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twin_matcher_dagster.errors import ObjectMissingError, TwinMatcherError
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage.object_store import ObjectStore

# However often strangers ask, the store is asked once in so many seconds.
_STORE_ASKED_EVERY_S = 5.0
# Whoever asks waits for ten; a store that is away is not the page's fault.
_STORE_ANSWERS_WITHIN_S = 5.0


class Health:
    """Whether a site answers, whether its store does, and which release it answers from.

    Args:
        store: of the site.
        production: the releases that it answers from; None where it answers from none.
    """

    def __init__(self, store: ObjectStore, production: Production | None = None) -> None:
        self._store, self._production = store, production
        self._asked: float | None = None
        self._answers = False
        # Visitors' jobs may keep all other threads busy for minutes.
        self._thread = ThreadPoolExecutor(1, "health")
        # To load a release takes seconds, and `/healthz` does not wait for it.
        self._loading = ThreadPoolExecutor(1, "readiness")

    def routes(self) -> list[Route]:
        """All of these addresses."""
        return [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]

    async def _healthz(self, request: Request) -> JSONResponse:
        """``{"page": "ok", "store": "ok"}``, or 503 and the store ``"away"``."""
        answers = await self._ask_store()
        body = {"page": "ok", "store": "ok" if answers else "away"}
        return JSONResponse(body, 200 if answers else 503)

    async def _readyz(self, request: Request) -> JSONResponse:
        """Whether a question would be answered: by the release in memory also without the store.

        ``{"store": "ok", "release": 7}``; 503 and no release while there is none. Of a site that
        answers no questions, whether its store answers.
        """
        answers = await self._ask_store()
        body: dict[str, object] = {"store": "ok" if answers else "away"}
        is_ready = answers
        if self._production:
            loop = asyncio.get_running_loop()
            number = await loop.run_in_executor(self._loading, _release, self._production)
            body["release"], is_ready = number, number is not None
        return JSONResponse(body, 200 if is_ready else 503)

    async def _metrics(self, request: Request) -> Response:
        """Figures for Prometheus, see :mod:`~twin_matcher_dagster.release.tally`."""
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"Content-Type": kind})

    async def _ask_store(self) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._store_answers)

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


def _release(production: Production) -> int | None:
    """The number of the release that answers; it is loaded if need be."""
    with suppress(TwinMatcherError):
        return production.finder().number
    return None
