"""`twin-matcher celebrities`: look at a collection of faces, and use it."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Your own celebrities: look at a collection of faces, and use it.", no_args_is_help=True
)

Source = Annotated[
    str,
    typer.Argument(
        help="A folder with a sub-folder of photos a person, a zip or tar of one, Parquet files, a "
        "list such as metadata.csv, a data set on the Hub, or 'sample'."
    ),
]
All = Annotated[bool, typer.Option("--all", help="Show everybody and every skipped file.")]


@app.command()
def check(source: Source, everything: All = False) -> None:
    """Look at a source and keep nothing: who is read, who is left out, how long it will take."""
    from twin_matcher_dagster.cli.own_celebrities import check_collection

    check_collection(source, everything=everything)


@app.command()
def use(source: Source, everything: All = False) -> None:
    """Take a source as this installation's celebrities, and follow what is made of it."""
    from twin_matcher_dagster.cli.own_celebrities import use_collection

    use_collection(source, everything=everything)
