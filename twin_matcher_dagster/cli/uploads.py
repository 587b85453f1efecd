"""`twin-matcher uploads`: what the review page does, in a terminal."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import upload_id_of
from twin_matcher_dagster.uploads.decisions import PLEAS, AskedFor, UploadDecision

app = typer.Typer(
    help="Uploads that wait for a person: look at them, and decide.", no_args_is_help=True
)
console = Console()

UploadId = Annotated[str, typer.Argument(help="As the list shows it.")]
Note = Annotated[str, typer.Option(help="Why, for other reviewers.")]


@app.command("list")
def list_uploads(
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that wait for a person.")
    ] = False,
) -> None:
    """Show uploads, who waits for a person first."""
    from twin_matcher_dagster.review.waiting import Waitlist

    with opened_bucket(Settings()) as store:
        found = Waitlist(store).look()
        judged = [] if waiting else _judged(store)
    # An id is to be copied: it is whole, whatever the terminal's width.
    table = Table(Column("upload", no_wrap=True, min_width=26), "is", "since", "why")
    for one in found.uploads:
        state = "decided" if one.decided else "flagged"
        table.add_row(one.upload_id, state, f"{one.since:%Y-%m-%d %H:%M}", "\n".join(one.flags))
    shown = {one.upload_id for one in found.uploads}
    for upload_id, state, why in judged:
        if upload_id not in shown:
            table.add_row(upload_id, state, "", escape(why))
    console.print(table)
    console.print(escape(found.in_a_sentence))


@app.command()
def show(upload_id: UploadId) -> None:
    """Show one upload: the verdict, whom it is like, what was decided. The page has the faces."""
    from twin_matcher_dagster.review.case import case_of

    with opened_bucket(Settings()) as store:
        case = case_of(store, upload_id_of(upload_id))
    verdict, decided = case.verdict, case.decided
    lines = [
        f"[bold]{escape(case.name)}[/] {case.upload_id}, {case.count} pictures: "
        f"{verdict.state if verdict else 'being checked'}",
        *(f"like {escape(one.name)}: {escape(one.flag)}. {one.in_words}" for one in case.alike),
        *(escape(line) for line in case.others),
        *(escape(line) for line in (verdict.reasons if verdict else ())),
        *(f"hint: {escape(line)}" for line in (verdict.hints if verdict else ())),
    ]
    if decided:
        carried_out = "" if case.is_carried_out else ", being carried out"
        lines.append(
            f"decided: {decided.decision.value} by {escape(decided.by)}, "
            f"{decided.at:%Y-%m-%d %H:%M} UTC{carried_out} {escape(decided.note)}".rstrip()
        )
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


@app.command()
def accept(upload_id: UploadId, note: Note = "") -> None:
    """Take a flagged upload in."""
    _decide(upload_id, UploadDecision.accept, note)


@app.command()
def reject(upload_id: UploadId, note: Note = "") -> None:
    """Keep an upload out."""
    _decide(upload_id, UploadDecision.reject, note)


@app.command()
def ask_again(
    upload_id: UploadId,
    reason: Annotated[AskedFor, typer.Option(help="What its owner reads.")],
    note: Note = "",
) -> None:
    """Keep an upload out, and ask its owner to record once more."""
    _decide(upload_id, UploadDecision.ask_again, note, reason)
    console.print(escape(f"Its owner reads: {PLEAS[reason]()}"), soft_wrap=True)


@app.command()
def take_back(upload_id: UploadId, note: Note = "") -> None:
    """Take a decision back: a flagged upload waits for a person again."""
    _decide(upload_id, UploadDecision.none, note)


def _judged(store: ObjectStore) -> list[tuple[str, str, str]]:
    """Every upload with a verdict: its id, what it is, and why; read one by one."""
    from twin_matcher_dagster.dataset.versions import judged_uploads

    found = []
    for upload_id in judged_uploads(store):
        if head := verdicts(store, upload_id).head():
            verdict = head.record
            found.append((upload_id, verdict.state, "\n".join((*verdict.reasons, *verdict.flags))))
    return found


def _decide(
    upload_id: str, decision: UploadDecision, note: str, reason: AskedFor | None = None
) -> None:
    from twin_matcher_dagster.access.people import Principal, Role
    from twin_matcher_dagster.review.deciding import decide

    # Whoever may read the state folder, or has the bucket's key, may do everything.
    who = Principal(getpass.getuser(), Role.ADMIN)
    with opened_bucket(Settings()) as store:
        decide(store, who, upload_id_of(upload_id), decision, reason=reason, note=note)
    console.print(
        "Decided. It is judged again with this within a minute, while Dagster runs.",
        soft_wrap=True,
    )
