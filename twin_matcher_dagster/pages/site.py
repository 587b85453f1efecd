"""A site: one page or both, and what it says of itself to machines, on one port."""

from __future__ import annotations

import errno
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.themes import ThemeClass
from pydantic import ValidationError
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from twin_matcher_dagster.api.body import MOST_BODY_BYTES
from twin_matcher_dagster.api.service import api_app
from twin_matcher_dagster.api.turns import READING
from twin_matcher_dagster.doors.connections import guarded_protocol
from twin_matcher_dagster.doors.entry import Entry
from twin_matcher_dagster.doors.visitors import Proxies
from twin_matcher_dagster.errors import ServicesError, TwinMatcherError
from twin_matcher_dagster.media.video import MAX_BYTES as MOST_CLIP_BYTES
from twin_matcher_dagster.pages.event_check import EventCheck
from twin_matcher_dagster.pages.guided_camera import FRAMES_PATH, MOST_FRAME_BYTES
from twin_matcher_dagster.pages.health import Health
from twin_matcher_dagster.pages.log_lines import write_log_as_json
from twin_matcher_dagster.pages.page_head import Head, PageHead
from twin_matcher_dagster.pages.refused import explain
from twin_matcher_dagster.pages.visitor_clips import CLIPS_PATH
from twin_matcher_dagster.pages.visitor_photos import PHOTOS_PATH
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.tally import watch_waiting
from twin_matcher_dagster.settings import Settings, listed_words, problems_of
from twin_matcher_dagster.storage.object_store import ObjectStore

_MOST_EVENT_BYTES = 64 * 1024
"""What an event of a page says: names, texts, tokens."""

# Browsers hold a connection open for as long as a page is: nobody waits for these to end.
_GRACE_S = 2


@dataclass(frozen=True)
class Look:
    """What a page looks like besides its parts; as ``gr.mount_gradio_app`` takes it.

    Attributes:
        theme: colours and fonts.
        css: further rules.
        head: HTML for the page's head: title, icons, link preview, manifest.
        favicon: file of the icon; of a page at ``/`` only, as Gradio has it.
    """

    theme: ThemeClass | None = None
    css: str = ""
    head: Head = lambda address: ""
    favicon: Path | None = None


@dataclass(frozen=True)
class SitePage:
    """A page and its place.

    Attributes:
        path: ``/``, or a path such as ``/upload``.
        blocks: the page.
        look: of the page.
        for_tools: whether programs ask it as well, by way of Gradio.
    """

    path: str
    blocks: gr.Blocks
    look: Look = field(default_factory=Look)
    for_tools: bool = False


@dataclass(frozen=True)
class Site:
    """What is served on one port.

    Attributes:
        pages: one, or several at different paths.
        store: the bucket; its health is the site's.
        production: the releases, where the site answers questions: then ``/v1`` does so too.
        routes: what is served besides, such as icons; before the pages.
    """

    pages: Sequence[SitePage]
    store: ObjectStore
    production: Production | None = None
    routes: Sequence[BaseRoute] = ()

    def app(self, settings: Settings) -> Entry:
        """The site as an application.

        Args:
            settings: of its doors; and whether models may use what answers questions as a tool.

        Raises:
            ServicesError: they may, and the package for it is not installed.
        """
        if settings.mcp and find_spec("mcp") is None:
            raise ServicesError(
                "MCP is set, and the package for it is not there. Install it: pip install 'mcp<2'"
            )
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.router.routes += [*Health(self.store, self.production).routes(), *self.routes]
        if self.production:
            app.mount("/v1", api_app(self.production))
        # The one at "/" takes all that is left.
        for page in sorted(self.pages, key=lambda page: -len(page.path)):
            if page.path != "/":
                app.router.routes.append(_with_slash(page.path))
            _mount(app, page, settings.mcp and page.path == "/" and self.production is not None)
        return Entry(app, settings, explain, self._most_bytes)

    def _most_bytes(self, scope: Scope) -> int:
        """How large the body of a request may be: by far the most bring no file."""
        path = scope["path"]
        handed = {
            CLIPS_PATH: MOST_CLIP_BYTES,
            PHOTOS_PATH: MOST_BODY_BYTES,
            FRAMES_PATH: MOST_FRAME_BYTES,
        }
        for name, most in handed.items():
            if path.endswith(name):
                return most
        tools = self.production and path.startswith(_TOOL_PATHS)
        return MOST_BODY_BYTES if tools or path.startswith("/v1/") else _MOST_EVENT_BYTES


_TOOL_PATHS = ("/gradio_api/queue/join", "/gradio_api/call/", "/gradio_api/mcp/")
"""Where a program hands photos over in line."""


def _mount(app: FastAPI, page: SitePage, mcp: bool) -> None:
    look = page.look
    inside = [
        Middleware(EventCheck, page=page.blocks, for_tools=page.for_tools),
        Middleware(PageHead, head=look.head),
    ]
    gr.mount_gradio_app(
        app,
        page.blocks.queue(max_size=READING, api_open=False),
        page.path,
        theme=look.theme,
        css=look.css,
        favicon_path=str(look.favicon) if look.favicon and page.path == "/" else None,
        footer_links=[],
        # What a visitor is told is a message of ours; anything else is for the log.
        show_error=False,
        ssr_mode=False,
        # Gradio would keep photos and answers in the browser, for whoever uses it next.
        run_history=False,
        enable_monitoring=False,
        mcp_server=mcp,
        app_kwargs={"middleware": inside},
    )
    if page.for_tools:
        watch_waiting("tools", page.blocks._queue.__len__)


def _with_slash(path: str) -> Route:
    """``/upload`` leads to ``/upload/``: else the page at ``/`` would be asked for it."""
    return Route(path, lambda request: RedirectResponse(request.url.replace(path=f"{path}/")))


def serve_site(make: Callable[[Settings], Site], port_setting: str) -> None:
    """Serve a site until the process is stopped; what stands in its way is said in a sentence.

    Args:
        make: the site, with the bucket that the environment names.
        port_setting: name of the setting that says where.
    """
    try:
        settings = Settings()
        app = make(settings).app(settings)
        server = uvicorn.Server(_config(app, settings))
        listening = _bind(settings.host, getattr(settings, port_setting), port_setting)
    except ValidationError as error:
        sys.exit("\n".join(problems_of(error)))
    except TwinMatcherError as error:
        sys.exit(str(error))
    write_log_as_json()
    with listening, suppress(KeyboardInterrupt):
        server.run([listening])


def _config(app: Entry, settings: Settings) -> uvicorn.Config:
    """How it is served: with https where there is a certificate, and no list of who asked.

    Raises:
        ServicesError: the certificate or its key cannot be read.
    """
    config = uvicorn.Config(
        app,
        http=guarded_protocol(
            settings.visitor_connections, Proxies(listed_words(settings.trusted_proxies)).trusts
        ),
        # Nothing here speaks it.
        ws="none",
        # Whom a proxy asks for is seen by the entry, where a proxy is trusted. uvicorn would trust
        # whoever is on this machine.
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.tls_cert and str(settings.tls_cert.expanduser()),
        ssl_keyfile=settings.tls_key and str(settings.tls_key.expanduser()),
        log_level="warning",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ServicesError(
            f"The certificate cannot be used: {error}. Set TLS_CERT and TLS_KEY to a certificate "
            "and its key, both PEM files."
        ) from error
    return config


def _bind(host: str, port: int, port_setting: str) -> socket.socket:
    """A socket at a place, which nobody is heard on yet.

    Raises:
        ServicesError: the place is taken, or not on this machine.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        # What has just closed a connection is no hindrance.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"Port {port} is taken. Set {port_setting.upper()} to another one."
        else:
            why = f"{host}:{port} cannot be listened on: {error}. Set HOST, or "
            why += f"{port_setting.upper()}, to another one."
        raise ServicesError(why) from error
    return bound
