"""What of Gradio is open to visitors, and what an event of a page may say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import anyio
import gradio as gr
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin_matcher_dagster.api.turns import READING
from twin_matcher_dagster.doors.entry import QUOTAS, TurnedAway
from twin_matcher_dagster.doors.quotas import QUESTIONS
from twin_matcher_dagster.doors.visitors import visitor_of
from twin_matcher_dagster.pages.refused import explain

_WORD = r"[A-Za-z0-9_.-]{1,100}"
_PAGE = {
    "GET": re.compile(
        r"/?|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"
        r"|/(assets|static|svelte)/(?!.*\.\.)[A-Za-z0-9_./-]+"
        rf"|/gradio_api/(info/?|app_id/?|theme\.css|heartbeat/{_WORD})"
    ),
    "POST": re.compile(rf"/gradio_api/run/{_WORD}/?"),
}
_TOOLS = {
    "GET": re.compile(rf"/gradio_api/(queue/data|call/{_WORD}/{_WORD}|mcp/.*)"),
    "POST": re.compile(rf"/gradio_api/(queue/join|call/{_WORD}/?|cancel|reset|mcp/.*)"),
    "DELETE": re.compile(r"/gradio_api/mcp/.*"),
}
"""Of a page that programs ask, too: Gradio's queue, its simple calls, and the tools of models."""

_COUNTED = ("/gradio_api/queue/join", "/gradio_api/call/", "/gradio_api/mcp/")
_EVENTS = "/gradio_api/run/"
_STREAM = "/gradio_api/queue/data"
_CALLS = "/gradio_api/call/"
_OTHERS = ("/gradio_api/cancel", "/gradio_api/reset")
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS: dict[type[Any], tuple[type[Any], ...]] = {
    gr.Textbox: (str, type(None)),
    gr.Checkbox: (bool, type(None)),
}
"""What a browser says of the value of a component."""

_DEEPEST = 30
_READING_S = 30.0
"""As for the photos of `/v1`: whoever is slower keeps others from being read."""


class EventCheck:
    """Middleware that lets through what a page of ours asks for, and no other part of Gradio.

    There is no way to a file: none is taken, none is given, and no event may name one. An event
    says as many values as it has inputs, each of its kind; what stands for a component's state is
    the page's own and is not looked at.

    Args:
        app: what is behind it: Gradio's.
        page: the page.
        for_tools: whether programs ask it, too.
    """

    def __init__(self, app: ASGIApp, page: gr.Blocks, for_tools: bool) -> None:
        self._app, self._page, self._for_tools = app, page, for_tools
        self._large = asyncio.Semaphore(READING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        of_page, of_tools = (one.get(method) for one in (_PAGE, _TOOLS))
        is_tool = self._for_tools and of_tools is not None and of_tools.fullmatch(path)
        refused: TurnedAway | None = None
        if not is_tool and not (of_page and of_page.fullmatch(path)):
            refused = TurnedAway(404, "nothing-here")
        elif is_tool and path.startswith(_COUNTED) and method == "POST":
            refused = _counted(scope)
        elif is_tool and method == "GET" and not self._is_awaited(scope, path):
            refused = TurnedAway(404, "nothing-here")
        if refused is None and method == "POST" and "/mcp/" not in path:
            receive, refused = await self._checked(scope, path, receive)
        if refused:
            await explain(scope, refused)(scope, receive, send)
        elif path.startswith(_EVENTS):
            await self._app(scope, receive, _with_reasons(scope, receive, send))
        else:
            await self._app(scope, receive, send)

    async def _checked(
        self, scope: Scope, path: str, receive: Receive
    ) -> tuple[Receive, TurnedAway | None]:
        """The body once more, if it is one that a page sends."""
        try:
            # The others are not read meanwhile, and wait at their clients.
            async with self._large if path.startswith(_COUNTED) else nullcontext():
                with anyio.fail_after(_READING_S):
                    body = await Request(scope, receive).body()
        except (ClientDisconnect, TimeoutError):
            return receive, TurnedAway(408, "too-slow")
        try:
            said = json.loads(body)
            is_whole = isinstance(said, dict) and not _names_file(said)
            is_whole = is_whole and self._fits(said, path)
        except (ValueError, RecursionError):
            is_whole = False
        return _again(body, receive), None if is_whole else TurnedAway(422, "damaged-request")

    def _is_awaited(self, scope: Scope, path: str) -> bool:
        """Whether what a program waits for is there: Gradio begins an answer before it looks,
        and breaks it off."""
        queue = self._page._queue
        if path == _STREAM:
            session = QueryParams(scope["query_string"]).get("session_hash")
            return session in queue.pending_messages_per_session
        if not path.startswith(_CALLS):
            return True
        event = path.rpartition("/")[2]
        known = queue.pending_event_ids_session.values()
        return event in queue.event_ids_to_events or any(event in events for events in known)

    def _fits(self, said: Mapping[str, Any], path: str) -> bool:
        session, number = said.get("session_hash"), said.get("fn_index")
        if session is not None and not (isinstance(session, str) and _SESSION.fullmatch(session)):
            return False
        if said.get("batched") or not isinstance(said.get("event_data"), dict | None):
            return False
        if path.startswith(_CALLS):
            name = path.removeprefix(_CALLS).rstrip("/")
            known = {event.api_name for event in self._page.fns.values()}
            return number is None and isinstance(said.get("data"), list) and name in known
        if path.startswith(_OTHERS):
            return number is None
        event = self._page.fns.get(number) if type(number) is int else None
        values = said.get("data")
        if (
            event is None
            or event.fn is None
            or not isinstance(values, list)
            or len(values) != len(event.inputs)
        ):
            return False
        pairs = zip(event.inputs, values, strict=True)
        return all(isinstance(value, _KINDS.get(type(part), object)) for part, value in pairs)


def _names_file(said: object, depth: int = 0) -> bool:
    """Whether something is what Gradio takes for a file: then it would be fetched, or read."""
    if depth > _DEEPEST:
        raise ValueError("too deep")
    if isinstance(said, dict):
        return (
            "path" in said
            or "meta" in said
            or any(_names_file(one, depth + 1) for one in said.values())
        )
    return isinstance(said, list) and any(_names_file(one, depth + 1) for one in said)


def _with_reasons(scope: Scope, receive: Receive, send: Send) -> Send:
    """Of an event that failed, why: what was said to the visitor, or that it is our fault.

    Gradio answers 500 to both, and says nothing of the other.
    """
    failed, body = False, b""

    async def send_with_reason(message: Message) -> None:
        nonlocal failed, body
        if message["type"] == "http.response.start" and message["status"] == 500:
            failed = True
        elif not failed:
            await send(message)
        else:
            body += message.get("body", b"")
            if not message.get("more_body"):
                said = json.loads(body).get("error")
                later = TurnedAway(503, "told", 5, said) if said else TurnedAway(500, "own-fault")
                await explain(scope, later)(scope, receive, send)

    return send_with_reason


def _counted(scope: Scope) -> TurnedAway | None:
    quotas = scope.get(QUOTAS)
    spent = quotas.take(QUESTIONS, visitor_of(scope)) if quotas else None
    return TurnedAway(429, "too-many-questions", spent.again_s) if spent else None


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, and then what comes."""
    told = False

    async def receive_again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
