"""`twin-matcher find` and `compare`: words for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from twin_matcher_dagster import refusals
from twin_matcher_dagster.cli import find
from twin_matcher_dagster.cli.main import app
from twin_matcher_dagster.errors import NoFaceError
from twin_matcher_dagster.release import serving
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.api.finders import ADA, ANSWER, HINT, PAIR, PORTRAIT, Finder

Run = Callable[..., str]


@pytest.fixture
def finder() -> Finder:
    return Finder()


@pytest.fixture
def run(finder: Finder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command before a release that says what it is told to."""

    @contextmanager
    def opened(settings: object) -> Generator[ObjectStore | None]:
        yield None

    monkeypatch.setattr(find, "opened_bucket", opened)
    monkeypatch.setattr(serving, "Production", lambda store: finder)
    monkeypatch.setattr(finder, "explain", lambda answer, twin: None, raising=False)
    monkeypatch.setattr(find.console, "_width", 200)
    monkeypatch.chdir(tmp_path)
    for name in ("me.png", "you.png"):
        Path(name).write_bytes(PORTRAIT)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_twins_are_told_in_words(run: Run, finder: Finder) -> None:
    lines = run("find", "me.png", "--top", "5", "--face", "2").splitlines()
    assert lines[0] == "The twins of me.png, release 7:"
    assert lines[1].startswith("  1. Ada <b>L (celebrity (invented)): very alike")
    assert lines[-1] == HINT.advice
    assert finder.asked == [((160, 160, 3), 1, 5, None)]


def test_twins_are_told_to_programs_without_pictures(run: Run) -> None:
    said = json.loads(run("find", "me.png", "--json"))
    assert [twin["name"] for twin in said["twins"]] == [ADA.label, "Ben"]
    assert said["twins"][0]["likeness"]["percentile"] == 97
    assert said["twins"][0]["portraits"] == []


def test_a_picture_is_drawn(run: Run) -> None:
    assert "Picture: out.png" in run("find", "me.png", "--picture", "out.png")
    assert Image.open("out.png").width > 300


def test_a_pair_is_told_in_words(run: Run, finder: Finder) -> None:
    finder.said = PAIR
    assert run("compare", "me.png", "you.png").splitlines() == [
        f"me.png and you.png: {PAIR.words}.",
        "They are taken for two people, by release 7.",
        f"me.png: {HINT.advice}",
    ]
    assert json.loads(run("compare", "me.png", "you.png", "--json"))["same_person"] is False


def test_what_goes_wrong_is_json_where_that_is_asked_for(run: Run, finder: Finder) -> None:
    finder.said = NoFaceError(refusals.PHOTO_WITHOUT_FACE())
    assert json.loads(run("find", "me.png", "--json", code=1)) == {
        "reason": "photo-without-face",
        "detail": refusals.PHOTO_WITHOUT_FACE(),
    }
    with pytest.raises(NoFaceError):
        run("find", "me.png")


def test_what_is_asked_is_what_is_answered(run: Run) -> None:
    assert json.loads(run("find", "you.png", "--json"))["release"] == ANSWER.release
