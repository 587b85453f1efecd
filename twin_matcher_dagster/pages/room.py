"""Room on the disk: asked before anything of a visitor is taken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import DiskFullError
from twin_matcher_dagster.settings import Settings

VISITORS_BYTES = 2_000_000_000
"""All that visitors have handed over and that is not forgotten yet, at most: ten of the largest
files. It cannot take the room of the store, which may be on the same disk."""

RESERVED_SHARE = 0.03
"""Of a disk, for whoever else is on it: SeaweedFS stops writing below 1%."""


def raise_if_full(folder: Path, coming: int = 0) -> None:
    """See whether there is room on a disk.

    Args:
        folder: on it.
        coming: bytes that will be written.

    Raises:
        DiskFullError: there is none.
    """
    disk = shutil.disk_usage(folder)
    if disk.free - coming < RESERVED_SHARE * disk.total:
        raise DiskFullError(refusals.DISK_FULL())


def raise_if_store_full(settings: Settings) -> None:
    """See whether there is room for an upload, where the store is on this machine.

    Raises:
        DiskFullError: there is none.
    """
    if settings.embedded and settings.twin_matcher_home.exists():
        raise_if_full(settings.twin_matcher_home)


class RoomForFiles:
    """Middleware that takes a file of a visitor only if there is room for it: 507 if not.

    Args:
        app: what is behind it.
        folder: where the files go.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app = app
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it brings a file for which there is no room."""
        if scope["type"] == "http" and scope["path"].endswith("/gradio_api/upload"):
            coming = int(Headers(scope=scope).get("content-length", 0))
            try:
                await run_in_threadpool(self._see, coming)
            except DiskFullError as error:
                await PlainTextResponse(str(error), 507)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _see(self, coming: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        raise_if_full(self._folder, coming)
        if sum(self._sizes()) + coming > VISITORS_BYTES:
            raise DiskFullError(refusals.DISK_FULL())

    def _sizes(self) -> Iterator[int]:
        for path in self._folder.rglob("*"):
            try:
                yield path.lstat().st_size
            except FileNotFoundError:  # forgotten this moment
                continue
