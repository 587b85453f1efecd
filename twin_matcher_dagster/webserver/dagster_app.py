"""Dagster's own webserver as an ASGI application that knows who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.version import __version__ as webserver_version
from dagster_webserver.webserver import DagsterWebserver
from starlette.requests import HTTPConnection

from twin_matcher_dagster.access.people import Role, principal_of

_POLL_MILLISECONDS = 2000  # as dagster-webserver has it


class WatchedWebserver(DagsterWebserver):
    """Dagster's webserver, read-only for whoever is no admin.

    The guard refuses their mutations before Dagster sees them. With this Dagster refuses them too,
    and its pages show as greyed out what somebody may not do.
    """

    def _make_request_context(self, conn: HTTPConnection) -> WorkspaceRequestContext:
        process = self._process_context
        if principal_of(conn.scope).may(Role.ADMIN):
            return process.create_request_context(conn)
        return WorkspaceRequestContext(
            instance=process.instance,
            current_workspace=process.get_current_workspace(),
            process_context=process,
            version=process.version,
            source=conn,
            read_only=True,
        )


def dagster_app(context: WorkspaceProcessContext) -> Any:
    """The application.

    Args:
        context: of the process: the instance, and where the definitions are.
    """
    return WatchedWebserver(context, "", _POLL_MILLISECONDS).create_asgi_app(lifespan=_lifespan)


def workspace_context(instance: Any, target: Any) -> WorkspaceProcessContext:
    """What the application works with, until it is left (``with``).

    Args:
        instance: of Dagster.
        target: where the definitions are.
    """
    return WorkspaceProcessContext(
        instance, version=webserver_version, read_only=False, workspace_load_target=target
    )


@asynccontextmanager
async def _lifespan(app: object) -> AsyncGenerator[None]:
    # uvicorn cancels it when it is ended by a signal: https://github.com/encode/uvicorn/issues/1160
    with suppress(asyncio.CancelledError):
        yield
