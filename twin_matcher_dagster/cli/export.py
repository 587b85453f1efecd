"""`twin-matcher export`: what is taken along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.settings import Settings

app = typer.Typer(help="Take a model along, as a standard folder.", no_args_is_help=True)
console = Console()


@app.callback()
def options() -> None:
    """Commands of their own, however few."""


@app.command()
def model(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    release: Annotated[int | None, typer.Option(help="By default the newest.")] = None,
    name_users: Annotated[
        bool,
        typer.Option("--name-users", help="Users' names, which they did not give for this."),
    ] = False,
) -> None:
    """Write a release's model for `transformers`, its classes named as people."""
    from twin_matcher_dagster.publication.model_export import export_model

    with opened_bucket(Settings()) as store:
        made = export_model(store, folder, release, name_users=name_users)
    console.print(
        f"{folder} has the model of release {made.release}: {made.celebrities} celebrities and "
        f"{made.users} users. Its README.md says how it is asked.",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
