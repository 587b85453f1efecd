"""`twin-matcher find` and `twin-matcher compare`: the answers of the pages in a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.settings import Settings

if TYPE_CHECKING:
    from twin_matcher_dagster.api.twins import Twins
    from twin_matcher_dagster.release.answers import PairAnswer

console = Console()

AsJson = Annotated[bool, typer.Option("--json", help="For programs; as POST /v1 answers.")]


def find(
    photo: Annotated[Path, typer.Argument(help="Of one person.")],
    top: Annotated[int, typer.Option(min=1, help="How many twins.")] = 3,
    face: Annotated[
        int | None, typer.Option(min=1, help="Which face is meant, of several, the largest first.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the face beside its twins, as PNG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say who looks like the person in a photo, by the newest release."""
    with _answering(as_json) as twins:
        answer = twins.find(photo, top=top, face=face and face - 1)
        if picture:
            from twin_matcher_dagster.cli.picture import save_answer

            save_answer(answer, picture)
        if as_json:
            _print_json(answer)
            return
        from twin_matcher_dagster.cli.picture import answer_lines

        why = twins.explain(answer, answer.twins[0]) if answer.twins else None
        _print(answer_lines(answer, why, photo.name))
        if picture:
            _print([f"Picture: {picture}"])


def compare_photos(
    one: Annotated[Path, typer.Argument(help="A photo of one person.")],
    other: Annotated[Path, typer.Argument(help="A photo of another, or of the same.")],
    as_json: AsJson = False,
) -> None:
    """Say how alike the people in two photos are."""
    with _answering(as_json) as twins:
        pair = twins.compare(one, other)
        if as_json:
            _print_json(pair)
        else:
            _print(_pair_lines(pair, one.name, other.name))


@contextmanager
def _answering(as_json: bool) -> Generator[Twins]:
    """The newest release; where JSON is asked for, what goes wrong is JSON too."""
    from twin_matcher_dagster.api.problems import problem_of
    from twin_matcher_dagster.api.twins import Twins
    from twin_matcher_dagster.release.serving import Production

    try:
        with opened_bucket(Settings()) as store:
            yield Twins(Production(store))
    except TwinMatcherError as error:
        if not as_json:
            raise
        said = {"reason": problem_of(error).reason, "detail": str(error)}
        typer.echo(json.dumps(said, ensure_ascii=False))
        sys.exit(1)


def _pair_lines(pair: PairAnswer, one: str, other: str) -> Iterator[str]:
    yield f"{one} and {other}: {pair.words or 'the release does not know how alike'}."
    taken = "one person" if pair.same_person else "two people"
    yield f"They are taken for {taken}, by release {pair.release}."
    for name, hints in zip((one, other), pair.hints, strict=True):
        yield from (f"{name}: {hint.advice}" for hint in hints)


def _print(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        console.print(escape(line), soft_wrap=True, highlight=False)


def _print_json(answer: Any) -> None:
    from twin_matcher_dagster.api.answers import as_json

    typer.echo(json.dumps(as_json(answer, None), indent=2, ensure_ascii=False))
