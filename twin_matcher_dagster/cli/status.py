"""`twin-matcher status`: what became of an upload, for whoever has its code and no browser."""

from __future__ import annotations

import getpass
import json
import os
import sys
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.twins.agreement import withdraw_agreement
from twin_matcher_dagster.twins.reunion import Reunion, TwinNews, reunion_of
from twin_matcher_dagster.uploads.ownership import prove_ownership
from twin_matcher_dagster.uploads.status import NewestEntries, UploadStatus, status_of
from twin_matcher_dagster.uploads.status_words import TITLES, status_in_words

CODE_VARIABLE = "TWIN_MATCHER_CODE"


def given_code() -> str:
    """The erasure code: of the environment, else typed, else the first line of what is piped in.

    Never an argument: arguments are in the shell's history, and in the list of processes.
    """
    if code := os.environ.get(CODE_VARIABLE):
        return code
    if sys.stdin.isatty():
        return getpass.getpass("Erasure code: ")
    return sys.stdin.readline().strip()


def print_status(
    settings: Settings, upload_id: str, console: Console, *, as_json: bool, no_twin: bool
) -> None:
    """Print what became of an upload.

    Args:
        settings: of the installation.
        upload_id: as the page showed it.
        console: where to.
        as_json: for programs.
        no_twin: take the agreement to a long-lost twin back before.

    Raises:
        CodeError: the code is not that of the upload.
    """
    code = given_code()
    with opened_bucket(settings) as store:
        known = prove_ownership(store, upload_id, code)
        if no_twin:
            withdraw_agreement(store, known)
        newest = NewestEntries()
        status, twin = status_of(store, known, newest), reunion_of(store, known, newest)
    if as_json:
        typer.echo(json.dumps(_as_values(known, status, twin), ensure_ascii=False))
        return
    console.print(f"[bold]{TITLES[status.state]}[/] {escape(known)}")
    for line in (*status_in_words(status), *_of_twin(twin)):
        console.print(escape(line), soft_wrap=True)


def _of_twin(twin: Reunion) -> list[str]:
    if twin.twin:
        share = f"{100 * twin.likeness:.1f}"
        return [
            f"Your long-lost twin: {twin.twin.label}, more alike than {share} of 100 pairs.",
            "The pictures are on the status page. To be told no more: --no-twin.",
        ]
    if twin.news is TwinNews.nobody_yet:
        return ["Nobody who is very much like you has joined yet."]
    return []


def _as_values(upload_id: str, status: UploadStatus, twin: Reunion) -> dict[str, Any]:
    """Plain values; nobody's pictures."""
    return {
        "upload_id": upload_id,
        "state": status.state.value,
        "ahead": status.ahead,
        "why": list(status.why),
        "release": status.release,
        "since": status.since,
        "retrain_by": status.retrain_by.isoformat() if status.retrain_by else None,
        "twin": {
            "news": twin.news.value,
            "name": twin.twin.label if twin.twin else None,
            "likeness": twin.likeness if twin.twin else None,
        },
    }
