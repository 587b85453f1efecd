"""Clips of visitors, from when they are handed over until they are looked at: in no folder."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from twin_matcher_dagster import clip_refusals, door_refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.memory_file import new_memory_file
from twin_matcher_dagster.media.video import MAX_BYTES
from twin_matcher_dagster.pages.catalogue import Words, preferred, words_in

CLIP_KEPT_S = 120.0
"""A page asks about a clip as soon as it was handed over; until its turn comes this may pass."""

MOST_CLIPS_BYTES = 3 * MAX_BYTES
"""All clips together, those on their way too: in memory, three of the largest or two hundred of
what the page records."""

ARRIVES_WITHIN_S = 300.0
"""The largest clip takes so long at 6 Mbit/s."""

CLIPS_PATH = "/clips"


@dataclass(frozen=True)
class _Given:
    file: BinaryIO
    size: int
    at: float


class VisitorClips:
    """What visitors handed over, by tokens that only they know; each can be taken once."""

    def __init__(self) -> None:
        self._clips: OrderedDict[str, _Given] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._clips)

    @contextmanager
    def clip(self, token: object) -> Generator[BinaryIO]:
        """The file of a clip; it is gone at the end of the block, and nobody else has it meanwhile.

        Raises:
            MediaError: there is none of this token any more.
        """
        with self._lock:
            self._forget_old()
            given = self._clips.pop(token, None) if isinstance(token, str) else None
        if given is None:
            raise MediaError(clip_refusals.CLIP_GONE())
        try:
            yield given.file
        finally:
            given.file.close()
            self._release(given.size)

    def route(self, prefix: str = "") -> Route:
        """Where a page hands a clip over: its bytes, with their number.

        Args:
            prefix: path of the page.
        """
        return Route(prefix + CLIPS_PATH, self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        words = words_in(preferred(request.headers.get("accept-language", "")))
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and int(length) > 0):
            return _refusal(words, 411, clip_refusals.CLIP_EMPTY())
        size = int(length)
        if size > MAX_BYTES:
            limit = MAX_BYTES // 2**20
            return _refusal(words, 413, clip_refusals.CLIP_TOO_LARGE(limit=limit))
        if not self._reserve(size):
            return _refusal(words, 503, door_refusals.TOO_BUSY())
        file = new_memory_file()
        kept = False
        try:
            with anyio.move_on_after(ARRIVES_WITHIN_S), suppress(ClientDisconnect):
                came = 0
                async for part in request.stream():
                    came += len(part)
                    await run_in_threadpool(file.write, part)
                await run_in_threadpool(file.flush)
                kept = came == size
            if not kept:
                return _refusal(words, 408, door_refusals.SENT_TOO_SLOWLY())
            return JSONResponse({"token": self._keep(file, size)})
        finally:
            if not kept:
                file.close()
                self._release(size)

    def _reserve(self, size: int) -> bool:
        with self._lock:
            self._forget_old()
            if self._bytes + size > MOST_CLIPS_BYTES:
                return False
            self._bytes += size
            return True

    def _release(self, size: int) -> None:
        with self._lock:
            self._bytes -= size

    def _keep(self, file: BinaryIO, size: int) -> str:
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._clips[token] = _Given(file, size, time.monotonic())
        return token

    def _forget_old(self) -> None:
        old = time.monotonic() - CLIP_KEPT_S
        while self._clips and next(iter(self._clips.values())).at < old:
            _, given = self._clips.popitem(last=False)
            given.file.close()
            self._bytes -= given.size


def _refusal(words: Words, status: int, english: str) -> Response:
    return PlainTextResponse(words.said(english), status)
