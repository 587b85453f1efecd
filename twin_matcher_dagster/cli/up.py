"""`twin-matcher up`: all services for use, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from twin_matcher_dagster.cli.display import dagster_address, teller
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


def sign_in_hint(settings: Settings, console: Console) -> str:
    """How a person signs in to Dagster."""
    if settings.sign_in == "token" and not console.is_terminal:
        return "Sign in to Dagster with the address that `twin-matcher sign-in` prints."
    return f"Sign in to Dagster: {dagster_address(settings, console)}"


def run(
    settings: Settings,
    variables: Mapping[str, str],
    home: Path,
    wanted: Sequence[str],
    console: Console,
) -> None:
    """Start services, say where they are, and keep them running until Ctrl-C.

    Raises:
        ServicesError: one cannot be started.
    """
    urls = services.urls(settings)
    log = home / "up.log"
    log.unlink(missing_ok=True)
    with services.running(wanted, variables, log, teller(console)) as supervisor:
        with console.status("starting ..."):
            supervisor.wait_until_ready()
        for name, what in _WHAT.items():
            if name in wanted:
                console.print(f"  {urls[name]:<24} {what}", soft_wrap=True)
        if services.DAGSTER in wanted:
            console.print(sign_in_hint(settings, console), soft_wrap=True, highlight=False)
        console.print(f"Log: {log}\nStop with Ctrl-C.", highlight=False)
        supervisor.wait()
