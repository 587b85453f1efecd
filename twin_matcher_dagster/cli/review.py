"""`twin-matcher review`: look at what cleaning left out, and say where it was wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.errors import ReviewError
from twin_matcher_dagster.settings import Settings

app = typer.Typer(
    help="Celebrity faces that cleaning left out: look at them, and decide.", no_args_is_help=True
)
console = Console()

Table = Annotated[Path, typer.Argument(help="The CSV file.")]


@app.command("export")
def export_table(table: Table) -> None:
    """Write the table of findings as CSV, and beside it a page with the pictures."""
    from twin_matcher_dagster.celebrities.contact_sheet import contact_sheet
    from twin_matcher_dagster.celebrities.review_table import write_reviews
    from twin_matcher_dagster.celebrities.reviews import (
        findings_of,
        images_of,
        reviews_of,
        with_decisions,
    )

    sheet = table.with_suffix(".html")
    for path in (table, sheet):
        if path.exists():
            raise ReviewError(f"{str(path)!r} is there already. Name another file.")
    with opened_bucket(Settings()) as store:
        decisions, _ = reviews_of(store)
        found, shards = findings_of(store)
        findings = with_decisions(found, decisions)
        wanted = {digest for one in findings for digest in (one.image, one.other_image) if digest}
        images = dict(images_of(store, shards, wanted))
    notes = {one.image: one.note for one in decisions}
    try:
        table.write_bytes(write_reviews(findings, notes))
        sheet.write_text(contact_sheet(findings, images), encoding="utf-8")
    except OSError as error:
        raise ReviewError(f"{str(table)!r} cannot be written: {error}. Name another.") from error
    console.print(
        f"{len(findings)} findings are in {escape(str(table))}, their pictures in "
        f"{escape(str(sheet))}. Fill in the column 'decision' with keep, drop or label=NAME where "
        "cleaning was wrong, then import the table.",
        soft_wrap=True,
    )


@app.command("import")
def import_table(table: Table) -> None:
    """Take the decisions of a filled-in table over, in place of all earlier ones."""
    from twin_matcher_dagster.celebrities.review_table import read_reviews
    from twin_matcher_dagster.celebrities.reviews import commit_reviews

    try:
        data = table.read_bytes()
    except OSError as error:
        raise ReviewError(f"{str(table)!r} cannot be read: {error}. Name another.") from error
    decisions = read_reviews(data)
    with opened_bucket(Settings()) as store:
        manifest = commit_reviews(store, decisions)
    counts = Counter(one.decision.split("=")[0] for one in decisions)
    said = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
    console.print(
        f"Decisions, version {manifest.number}: {said}. They count from the next time that "
        "balanced_faces is materialized (job 'celebrities').",
        soft_wrap=True,
    )
