"""`twin-matcher audit`: who did what."""

from __future__ import annotations

import json
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from twin_matcher_dagster.access.audit import AuditLog
from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.settings import Settings


def print_deeds(settings: Settings, days: float, console: Console, *, as_json: bool) -> None:
    """Print the audit log, the oldest first.

    Args:
        settings: of the installation.
        days: how far back.
        console: where to.
        as_json: as JSON lines instead of a table.
    """
    with opened_bucket(settings) as store:
        deeds = list(AuditLog(store).deeds(store.now() - timedelta(days=days)))
    if as_json:
        for deed in deeds:
            body = {
                "when": deed.when.isoformat(),
                "who": deed.who,
                "role": deed.role.name.lower(),
                "what": deed.what,
                "about": list(deed.about),
            }
            console.print(json.dumps(body), soft_wrap=True, highlight=False, markup=False)
        return
    if not deeds:
        console.print(f"Nobody did anything in the last {days:g} days.")
        return
    table = Table("when (UTC)", "who", "role", "what", "about")
    for deed in deeds:
        table.add_row(
            f"{deed.when:%Y-%m-%d %H:%M:%S}",
            escape(deed.who),
            deed.role.name.lower(),
            escape(deed.what),
            escape(" ".join(deed.about)),
        )
    console.print(table)
