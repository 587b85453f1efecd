"""A site: one page or both, and what it says of itself to machines, on one port."""

from __future__ import annotations

import errno
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.i18n import I18n
from gradio.themes import ThemeClass
from gradio.utils import get_upload_folder
from pydantic import ValidationError
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

from twin_matcher_dagster.api.service import api_app
from twin_matcher_dagster.errors import ServicesError, TwinMatcherError
from twin_matcher_dagster.pages.health import Health
from twin_matcher_dagster.pages.log_lines import write_log_as_json
from twin_matcher_dagster.pages.page import FORGET_AFTER_S
from twin_matcher_dagster.pages.page_head import Head, PageHead
from twin_matcher_dagster.pages.room import RoomForFiles
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.tally import watch_waiting
from twin_matcher_dagster.settings import Settings, problems_of
from twin_matcher_dagster.storage.object_store import ObjectStore

AT_A_TIME, WAITING = 2, 50
"""Questions of visitors that a page answers at a time, and that wait; further ones get a 503."""

# Browsers hold a connection open for as long as a page is: nobody waits for these to end.
_GRACE_S = 2


@dataclass(frozen=True)
class Look:
    """What a page looks like besides its parts; as ``gr.mount_gradio_app`` takes it.

    Attributes:
        theme: colours and fonts.
        css: further rules.
        head: HTML for the page's head: title, icons, link preview, manifest.
        i18n: the texts in other languages.
        favicon: file of the icon; of a page at ``/`` only, as Gradio has it.
    """

    theme: ThemeClass | None = None
    css: str = ""
    head: Head = lambda address: ""
    i18n: I18n | None = None
    favicon: Path | None = None


@dataclass(frozen=True)
class SitePage:
    """A page and its place.

    Attributes:
        path: ``/``, or a path such as ``/upload``.
        blocks: the page.
        max_file: size of the largest file that is taken from a browser, such as ``50mb``.
        look: of the page.
    """

    path: str
    blocks: gr.Blocks
    max_file: str
    look: Look = field(default_factory=Look)


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

    def app(self, mcp: bool = False) -> FastAPI:
        """The site as an application; it forgets what visitors handed over while it runs.

        Args:
            mcp: whether models may use what answers questions as a tool.

        Raises:
            ServicesError: they may, and the package for it is not installed.
        """
        if mcp and find_spec("mcp") is None:
            raise ServicesError(
                "MCP is set, and the package for it is not there. Install it: pip install 'mcp<2'"
            )
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        folder = Path(get_upload_folder())
        app.add_middleware(RoomForFiles, folder=folder)
        app.router.routes += [*Health(self.store, self.production).routes(), *self.routes]
        if self.production:
            app.mount("/v1", api_app(self.production))
        # The one at "/" takes all that is left.
        for page in sorted(self.pages, key=lambda page: -len(page.path)):
            if page.path != "/":
                app.router.routes.append(_with_slash(page.path))
            _mount(app, page, mcp and page.path == "/" and self.production is not None)
        threading.Thread(target=_forget, args=(folder,), daemon=True).start()
        return app


def _mount(app: FastAPI, page: SitePage, mcp: bool) -> None:
    look = page.look
    gr.mount_gradio_app(
        app,
        page.blocks.queue(default_concurrency_limit=AT_A_TIME, max_size=WAITING),
        page.path,
        theme=look.theme,
        css=look.css,
        i18n=look.i18n,
        favicon_path=str(look.favicon) if look.favicon and page.path == "/" else None,
        max_file_size=page.max_file,
        footer_links=[],
        # What a visitor is told is a message of ours; anything else is for the log.
        show_error=False,
        ssr_mode=False,
        # Gradio would keep photos and answers in the browser, for whoever uses it next.
        run_history=False,
        enable_monitoring=False,
        mcp_server=mcp,
        app_kwargs={"middleware": [Middleware(PageHead, head=look.head)]},
    )
    watch_waiting(f"page {page.path}", page.blocks._queue.__len__)


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
        app = make(settings).app(settings.mcp)
        server = uvicorn.Server(_config(app, settings))
        listening = _bind(settings.host, getattr(settings, port_setting), port_setting)
    except ValidationError as error:
        sys.exit("\n".join(problems_of(error)))
    except TwinMatcherError as error:
        sys.exit(str(error))
    write_log_as_json()
    with listening, suppress(KeyboardInterrupt):
        server.run([listening])


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How it is served: with https where there is a certificate, and no list of who asked.

    Raises:
        ServicesError: the certificate or its key cannot be read.
    """
    config = uvicorn.Config(
        app,
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


def _forget(folder: Path) -> None:
    """Delete what visitors handed over once it is old enough, whichever process left it there.

    Gradio's own ``delete_cache`` knows the files of the living process only.
    """
    while True:
        for path in folder.rglob("*"):
            with suppress(OSError):
                if path.is_file() and time.time() - path.stat().st_mtime > FORGET_AFTER_S:
                    path.unlink()
        time.sleep(60)
