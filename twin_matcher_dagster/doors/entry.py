"""The entry of a site: an ASGI layer round all of it, which every request passes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin_matcher_dagster.doors.names import Names, is_read_elsewhere
from twin_matcher_dagster.doors.quotas import MEGABYTES, REQUESTS, Quotas
from twin_matcher_dagster.doors.rules import BrowserRules, new_nonce
from twin_matcher_dagster.doors.visitors import Proxies, visitor_of
from twin_matcher_dagster.settings import Settings, listed_words

QUOTAS, NONCE = "twin_matcher.quotas", "twin_matcher.nonce"
"""Where a request's scope has them, for what is behind the entry."""

_READ = {"GET", "HEAD"}
_FOREIGN_MAY_READ = ("/v1/", "/look/")
"""What another site may show: portraits by addresses that nobody guesses, icons, the preview."""

_STATIC = ("/assets/", "/static/", "/look/")
"""Files that are the same for everybody. A page has some sixty of them, so they are not counted."""

_HEALTH = ("/healthz", "/readyz")
"""Who keeps the site running would take it for ill, and start it again, whenever a visitor at the
same address asks too often."""

_SOON_S = 5
_IDLE_S = 15.0
"""A body of which nothing comes for so long has come to an end."""
_LEAST_BYTES_S = 16 * 1024
"""A slow telephone sends eight times as much (1 Mbit/s)."""
_PATIENCE_S = 20.0
"""So long a body may be slower: a connection may falter."""
_MEGABYTE = 2**20


@dataclass(frozen=True)
class TurnedAway:
    """Why somebody is not let in.

    Attributes:
        status: of HTTP.
        reason: a code, as ``too-many-requests``.
        again_s: when to come again; None where that does not help.
        said: what was said already, in their language; empty where nothing was.
    """

    status: int
    reason: str
    again_s: int | None = None
    said: str = ""


Explain = Callable[[Scope, TurnedAway], Response]
"""The answer to whoever is refused."""

MostBytes = Callable[[Scope], int]
"""How large the body of a request may be."""


class Entry:
    """Lets a request in, or answers it.

    Whoever asks by a foreign name, or from a page of another site, is refused; so is who asks too
    often, holds too many requests open, or sends too much or too slowly. Every answer tells the
    browser what a page may do. What is behind it finds the visitor's own address in the scope.

    Args:
        app: what is behind it.
        settings: names, proxies and limits.
        explain: what is said to whoever is refused.
        most_bytes: of a body.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, explain: Explain, most_bytes: MostBytes
    ) -> None:
        self._app, self._explain, self._most_bytes = app, explain, most_bytes
        self._names = Names(
            settings.host,
            [settings.upload_url, settings.predict_url],
            listed_words(settings.page_hosts),
        )
        self._proxies = Proxies(listed_words(settings.trusted_proxies))
        self._embedding = listed_words(settings.embedding_sites)
        self._rules = BrowserRules(self._embedding)
        self._quotas = Quotas(settings)
        self._open: Counter[str] = Counter()
        self._may_open = settings.visitor_connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        scope = self._proxies.seen_from_outside(scope)
        scope = {**scope, QUOTAS: self._quotas, NONCE: new_nonce()}
        ruled = self._ruled(scope, send)
        with self._held(visitor_of(scope)) as too_many:
            refused = self._refused(scope)
            if too_many and scope["path"] not in _HEALTH:
                refused = TurnedAway(429, "too-many-open", _SOON_S)
            if refused:
                await self._explain(scope, refused)(scope, receive, ruled)
            else:
                await self._let_in(scope, receive, ruled)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, begun = _Body(receive, self._most_bytes(scope), scope), False

        async def send_unless_refused(message: Message) -> None:
            nonlocal begun
            if begun or not body.refused:
                begun = True
                await send(message)

        try:
            await self._app(scope, body.receive, send_unless_refused)
        except Exception:
            if not body.refused:
                raise
        if body.refused and not begun:
            await self._explain(scope, body.refused)(scope, receive, send)

    def _refused(self, scope: Scope) -> TurnedAway | None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or not self._names.knows(headers["host"]):
            return TurnedAway(421, "unknown-host")
        visitor = visitor_of(scope)
        is_counted = not any(part in scope["path"] for part in (*_STATIC, *_HEALTH))
        if is_counted and (spent := self._quotas.take(REQUESTS, visitor)):
            return TurnedAway(429, "too-many-requests", spent.again_s)
        if scope["method"] not in _READ:
            if self._names.is_foreign(headers):
                return TurnedAway(403, "foreign-page")
            return self._too_large(scope, headers, visitor)
        shown = scope["path"].startswith(_FOREIGN_MAY_READ)
        if not shown and self._is_shown_elsewhere(headers):
            return TurnedAway(403, "foreign-page")
        return None

    def _is_shown_elsewhere(self, headers: Headers) -> bool:
        framed = headers.get("sec-fetch-dest") in {"iframe", "frame"}
        return is_read_elsewhere(headers) and not (framed and self._embedding)

    def _too_large(self, scope: Scope, headers: Headers, visitor: str) -> TurnedAway | None:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 15:
            return TurnedAway(400, "damaged-request")
        if int(length) > self._most_bytes(scope):
            return TurnedAway(413, "too-large")
        spent = self._quotas.take(MEGABYTES, visitor, int(length) / _MEGABYTE)
        return TurnedAway(429, "too-many-megabytes", spent.again_s) if spent else None

    @contextmanager
    def _held(self, visitor: str) -> Generator[bool]:
        """One request more of a visitor, while it lasts; whether these are too many."""
        self._open[visitor] += 1
        try:
            yield self._open[visitor] > self._may_open
        finally:
            self._open[visitor] -= 1
            if not self._open[visitor]:
                del self._open[visitor]

    def _ruled(self, scope: Scope, send: Send) -> Send:
        """Answers with what a browser is told, and without what Gradio tells other sites."""
        rules = self._rules.headers(scope.get("scheme") == "https", scope[NONCE])
        if scope["path"].startswith(_FOREIGN_MAY_READ):
            rules["Cross-Origin-Resource-Policy"] = "cross-origin"

        async def send_ruled(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                for name in {one for one in headers if one.startswith("access-control-")}:
                    del headers[name]
                headers.setdefault("Cache-Control", "no-store")
                headers.update(rules)
                message = {**message, "headers": headers.raw}
            await send(message)

        return send_ruled


class _Body:
    """A body that comes in time, and no more of it than may come.

    Args:
        receive: of the server.
        most: bytes.
        scope: of the request.

    Attributes:
        refused: why no more of it is taken: what reads it hears that its client has gone.
    """

    def __init__(self, receive: Receive, most: int, scope: Scope) -> None:
        self._receive, self._most, self._scope = receive, most, scope
        self._waited, self._size, self._done = 0.0, 0, False
        self._counted = "content-length" in Headers(scope=scope)
        self.refused: TurnedAway | None = None

    async def receive(self) -> Message:
        """The next part."""
        if self.refused:
            return {"type": "http.disconnect"}
        if self._done:
            return await self._receive()
        begun = time.monotonic()
        message: Message = {"type": "http.request", "more_body": True}
        try:
            message = await asyncio.wait_for(self._receive(), _IDLE_S)
        except (TimeoutError, asyncio.TimeoutError):
            self.refused = TurnedAway(408, "too-slow")
        # What reads it may have others to read before; that is not the client's fault.
        self._waited += time.monotonic() - begun
        if message["type"] == "http.request":
            self._take(len(message.get("body", b"")))
            self._done = not message.get("more_body")
        return {"type": "http.disconnect"} if self.refused else message

    def _take(self, coming: int) -> None:
        self._size += coming
        if self._size > self._most:
            self.refused = TurnedAway(413, "too-large")
        elif (self._waited - _PATIENCE_S) * _LEAST_BYTES_S > self._size:
            self.refused = TurnedAway(408, "too-slow")
        elif coming and not self._counted:  # it did not say how much would come
            visitor = visitor_of(self._scope)
            if spent := self._scope[QUOTAS].take(MEGABYTES, visitor, coming / _MEGABYTE):
                self.refused = TurnedAway(429, "too-many-megabytes", spent.again_s)
