"""Photos that visitors ask about: in the memory of the page and nowhere else.

Gradio writes what it is handed to a file. These never are: a page that is killed leaves nothing.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from twin_matcher_dagster import refusals
from twin_matcher_dagster.api.body import photos_of
from twin_matcher_dagster.api.problems import ProblemError
from twin_matcher_dagster.api.turns import Turns
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.pages.catalogue import preferred, words_in

PHOTO_KEPT_S = 900.0
"""So long a photo is there for further questions, unless its visitor leaves before."""

MOST_PHOTOS_BYTES = 512 * 2**20
"""All photos together. Beyond that the eldest are let go: whoever floods the page loses their own
questions, and it goes on answering."""

PHOTOS_PATH = "/photos"


@dataclass(frozen=True)
class _Given:
    photo: bytes
    at: float


class VisitorPhotos:
    """What visitors handed over, by tokens that only they know."""

    def __init__(self) -> None:
        self._photos: OrderedDict[str, _Given] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._reading = Turns()

    def keep(self, photo: bytes) -> str:
        """Keep a photo for a while; a token for it."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._photos[token] = _Given(photo, time.monotonic())
            self._bytes += len(photo)
            self._let_go()
        return token

    def photos(self, tokens: Sequence[str]) -> list[bytes]:
        """The photos of some tokens.

        Raises:
            MediaError: one is not there any more.
        """
        with self._lock:
            self._let_go()
            try:
                return [self._photos[token].photo for token in tokens]
            except KeyError:
                raise MediaError(refusals.PHOTO_GONE()) from None

    def forget(self, tokens: Sequence[str]) -> None:
        """Let some photos go."""
        with self._lock:
            for token in tokens:
                self._drop(token)

    def _let_go(self) -> None:
        old = time.monotonic() - PHOTO_KEPT_S
        while self._photos:
            token, eldest = next(iter(self._photos.items()))
            if eldest.at > old and self._bytes <= MOST_PHOTOS_BYTES:
                return
            self._drop(token)

    def _drop(self, token: str) -> None:
        given = self._photos.pop(token, None)
        self._bytes -= len(given.photo) if given else 0

    def __len__(self) -> int:
        return len(self._photos)

    def route(self, prefix: str = "") -> Route:
        """Where a page hands a photo over: its bytes, one at a time.

        Args:
            prefix: path of the page.
        """
        return Route(prefix + PHOTOS_PATH, self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        words = words_in(preferred(request.headers.get("accept-language", "")))
        try:
            async with self._reading.read():
                (photo,) = await photos_of(request, ["photo"])
        except ProblemError as problem:
            return PlainTextResponse(words.said(problem.detail), problem.status)
        return JSONResponse({"token": self.keep(photo)})
