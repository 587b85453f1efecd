"""A site that listens, in a thread of the test, and visitors of it with addresses of their own."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import gradio as gr

from twin_matcher_dagster.pages.site import Site, _config
from twin_matcher_dagster.settings import Settings

PROXY = "127.0.0.1"
"""The site believes whoever is on this machine when they say for whom they ask."""


@contextmanager
def listening(site: Site, **settings: Any) -> Generator[str]:
    """The address of a site, for as long as the block lasts."""
    import uvicorn

    chosen = Settings(trusted_proxies=PROXY, **settings)
    server = uvicorn.Server(_config(site.app(chosen), chosen))
    with socket.create_server(("127.0.0.1", 0), backlog=500) as bound:
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        server.should_exit = server.force_exit = True
        thread.join(30)


def event_of(page: gr.Blocks, elem_id: str, event: str = "click") -> int:
    """The number of what happens when something is done to a part of a page."""
    for number, one in page.fns.items():
        for part, name in one.targets:
            if part is not None and name == event and page.blocks[part].elem_id == elem_id:
                return number
    raise KeyError(elem_id)


@dataclass(frozen=True)
class Visitor:
    """Somebody at an address.

    Attributes:
        url: of the site.
        address: theirs.
        session: of their page.
    """

    url: str
    address: str
    session: str

    @classmethod
    def at(cls, url: str, address: str) -> Visitor:
        """A visitor who has just opened a page."""
        return cls(url, address, uuid4().hex)

    def ask(
        self, path: str, body: bytes | None = None, method: str | None = None, **headers: str
    ) -> tuple[int, str]:
        """The status and the body of an answer."""
        said = {"X-Forwarded-For": self.address, "Content-Type": "application/json"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}{path}", body, said, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def event(self, number: int, *values: Any, **more: Any) -> tuple[int, str]:
        """Something happens in their page."""
        said = {"data": values, "fn_index": number, "session_hash": self.session, **more}
        return self.ask("/gradio_api/run/predict", json.dumps(said).encode())
