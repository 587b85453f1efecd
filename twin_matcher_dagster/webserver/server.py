"""How the webserver listens."""

from __future__ import annotations

from pathlib import Path

import uvicorn

from twin_matcher_dagster.access.guard import App
from twin_matcher_dagster.settings import Settings

# A request that goes on when the service is stopped has so long.
_GRACE_SECONDS = 2


def server_of(app: App, settings: Settings) -> uvicorn.Server:
    """A server of an application, which does not listen yet.

    Args:
        app: behind the guard.
        settings: host, port and certificate.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.dagster_port,
        log_level="warning",
        # No address is logged: the one that signs somebody in has the token in it.
        access_log=False,
        server_header=False,
        # Whoever asks is who connects; a header of a proxy is believed by the guard alone.
        proxy_headers=False,
        ssl_certfile=_text(settings.tls_cert),
        ssl_keyfile=_text(settings.tls_key),
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return uvicorn.Server(config)


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
