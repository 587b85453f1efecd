"""`twin-matcher models`: every training side by side."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.records.leaderboard import MeasuredTraining

console = Console()

_COLUMNS = ("model", "trained", "outcome", "rank-1", "alone", "new", "strangers", "people")


def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
) -> None:
    """Show every training that was kept, the best first: data, plan, environment, figures."""
    from twin_matcher_dagster.release.leaderboard import in_order_of_merit, newest_trainings

    with opened_bucket(Settings()) as store:
        rows = in_order_of_merit(newest_trainings(store))
    if as_json:
        console.print_json(json.dumps([asdict(one) for one in rows], default=str))
        return
    table = Table(box=None, padding=(0, 1, 0, 0))  # in 80 columns
    for name in (*_COLUMNS, "seed", "commit"):
        table.add_column(name, no_wrap=True)
    for one in rows:
        table.add_row(*_cells(one))
    console.print(table)
    console.print(
        "Alone: rank-1 of the network without the recogniser. New: of celebrities whom it did not "
        "learn. Strangers: two photos, one twin. All that is known: --json. Figures compare where "
        "the celebrities are the same."
    )


def _cells(one: MeasuredTraining) -> list[str]:
    from twin_matcher_dagster.release.leaderboard import NEWCOMERS, RANK1, RANK1_ALONE, SAME_TWIN

    shares = (one.figures.get(name) for name in (RANK1, RANK1_ALONE, NEWCOMERS, SAME_TWIN))
    data = one.data
    return [
        str(one.model),
        f"{one.trained_at:%Y-%m-%d}" if one.trained_at else "",
        one.outcome,
        *("-" if share is None else f"{share:.1%}" for share in shares),
        str(data.identities) if data else "",
        str(one.plan.get("seed", "")),
        one.environment.get("commit", "")[:7],
    ]
