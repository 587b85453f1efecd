"""`twin-matcher alerts`: see that messages arrive."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from twin_matcher_dagster.errors import ReceiverError
from twin_matcher_dagster.settings import Settings

app = typer.Typer(help="Who is told what matters: see that messages arrive.", no_args_is_help=True)
console = Console()


@app.callback()
def of_alerts() -> None:
    """Commands about who is told."""


@app.command("test")
def send_trial() -> None:
    """Send one message to each receiver that the settings name."""
    from twin_matcher_dagster.alerts.delivery import receivers_of
    from twin_matcher_dagster.alerts.words import trial_message

    settings = Settings()
    receivers = receivers_of(settings)
    if not receivers:
        raise ReceiverError("Nobody is to be told. Set ALERT_WEBHOOK, or ALERT_SMTP_URL and who.")
    failed = 0
    for receiver in receivers:
        try:
            receiver.send(trial_message(settings.dagster_address))
        except ReceiverError as error:
            failed += 1
            console.print(f"[bold red]{receiver.name}:[/] {escape(str(error))}", soft_wrap=True)
        else:
            console.print(f"{receiver.name}: it was taken.")
    if failed:
        sys.exit(1)
