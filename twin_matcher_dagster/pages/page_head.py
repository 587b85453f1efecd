"""What a page says of itself before any script runs: title, icons, link preview, manifest.

And which scripts are its own: a browser runs those alone (``doors.rules``).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin_matcher_dagster.doors.entry import NONCE

Head = Callable[[str], str]
"""HTML for the head of a page, by the address of the page as its visitor has it: with ``/`` at the
end. What is in it is the page's own, and escaped."""

_OPENING = re.compile(rb"<head[^>]*>")
_SCRIPT = re.compile(rb"<script(?=[\s>])")
# Gradio's link preview, of itself: what reads it runs no script.
_PREVIEW = re.compile(rb"""<meta\s+(?:property="og:|name="twitter:)[^>]*>\s*""")


class PageHead:
    """Middleware that puts a head of our own into a page, in place of Gradio's link preview.

    Gradio's own parameter ``head`` is put in by a script, too late for whoever previews a link.

    Args:
        app: what is behind it: Gradio's, before it is compressed.
        head: of the page.
    """

    def __init__(self, app: ASGIApp, head: Head) -> None:
        self._app, self._head = app, head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; of what is HTML the head is changed."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_changed(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    changed = self._changed(body, scope)
                    MutableHeaders(raw=start["headers"])["content-length"] = str(len(changed))
                    await send(start)
                    await send({**message, "body": changed})

        await self._app(scope, receive, send_changed)

    def _changed(self, page: bytes, scope: Scope) -> bytes:
        if nonce := scope.get(NONCE):
            # What visitors write is in none of these pages: Gradio's and ours are all there are.
            page = _SCRIPT.sub(b'<script nonce="%s"' % nonce.encode(), page)
        opening = _OPENING.search(page)
        if opening is None:
            return page
        before, after = page[: opening.end()], page[opening.end() :]
        # As far as the head goes: what follows may be anybody's text.
        head, end, rest = after.partition(b"</head>")
        ours = self._head(_address(scope)).encode()
        return before + ours + _PREVIEW.sub(b"", head) + end + rest


def _address(scope: Scope) -> str:
    """Of the page: where it is mounted, on the host that was asked."""
    url = Request(scope).url
    return f"{url.scheme}://{url.netloc}{scope.get('root_path', '')}/"


def _is_html(start: Message) -> bool:
    return MutableHeaders(raw=start["headers"]).get("content-type", "").startswith("text/html")
