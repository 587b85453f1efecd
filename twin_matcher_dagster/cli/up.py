"""`twin-matcher up`: all services for use, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import embedded_s3, services
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.logs import releases

_WHAT = {
    services.DAGSTER: "Dagster: the graph, its runs and its checks",
    services.UPLOAD: "Upload page: record a clip",
    services.PREDICT: "Prediction page: find a twin",
    services.S3: "Embedded S3 (credentials: twin-matcher env)",
}


def has_release(variables: Mapping[str, str], home: Path) -> bool:
    """Whether the embedded store holds a release; the server runs for the time of the question."""
    if not (home / "s3").exists():
        return False
    with services.running([services.S3], variables, home / "up.log"):
        store = embedded_s3.wait_until_ready(variables)
        return releases(store).head_number() > 0


def run(settings: Settings, variables: Mapping[str, str], home: Path, console: Console) -> None:
    """Start the services, say where they are, and stay until one ends or Ctrl-C comes.

    Raises:
        ServicesError: a service ended by itself.
    """
    wanted = services.names(settings)
    urls = services.urls(settings)
    log = home / "up.log"
    log.unlink(missing_ok=True)
    with services.running(wanted, variables, log) as honcho:
        pages = [name for name in wanted if name != services.S3]
        with console.status("starting ..."):
            for name in pages:
                services.wait_for_page(urls[name], honcho)
        for name in [*pages, *([services.S3] if services.S3 in wanted else [])]:
            console.print(f"  {urls[name]:<24} {_WHAT[name]}")
        console.print(f"Log: {log}\nStop with Ctrl-C.", highlight=False)
        honcho.wait()
        raise ServicesError(f"A service ended by itself. Look at {log}.")
