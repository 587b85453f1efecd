"""`twin-matcher celebrities`: what is said of a source, and what is kept of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_matcher_dagster.celebrities import survey as surveying
from twin_matcher_dagster.cli import celebrities, own_celebrities
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.celebrities.sources.odd import flat, photo, written

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with a state folder of its own, and nothing that takes long."""
    # A command completes the environment for its process: that of this test alone.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in ("RAW_FACES", "TWIN_MATCHER_BUCKET", "TWIN_MATCHER_EMBEDDED_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(own_celebrities.console, "_width", 200)
    monkeypatch.setattr(surveying, "_tried", lambda rows, recogniser: (len(rows), 0.5))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(celebrities.app, list(arguments))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be launched."""
    launched: list[str] = []

    class Running:
        def __enter__(self) -> tuple[None, Path]:
            return None, Path("log")

        def __exit__(self, *what: object) -> None:
            pass

    monkeypatch.setattr(own_celebrities, "_running", lambda settings, variables: Running())
    monkeypatch.setattr(
        own_celebrities,
        "_make",
        lambda stack, settings, store, wanted, log: launched.append(wanted),
    )
    return launched


def faces(tmp_path: Path) -> Path:
    beside = {"Cleo/1.jpg": photo(90), "[b]notes[/b].txt": b"x", "cover.jpg": photo(91)}
    return written(tmp_path / "my faces", {**flat(people=("Ana", "Bob"), each=10), **beside})


def test_check_shows_everybody_and_keeps_nothing(run: Run, tmp_path: Path) -> None:
    said = run("check", str(faces(tmp_path)))
    for words in (
        "23 files, 21 images of 3 people read, 2 skipped",
        "has 1 face to train on at most, and MIN_FACES asks for 8",
        "[b]notes[/b].txt",
        "a photo beside the people's folders, so nobody's",
        "To read and clean it takes about 10 s",
        f"twin-matcher celebrities use '{tmp_path}/my faces'",
    ):
        assert words in said
    assert not (tmp_path / "home").exists()


def test_check_of_many_people_shows_those_who_are_left_out(run: Run, tmp_path: Path) -> None:
    people = {f"Person {n:03}/{i}.jpg": photo(i) for n in range(99) for i in range(8 - (n == 98))}
    source = str(written(tmp_path / "many", people))
    said = run("check", source)
    assert "Person 098" in said
    assert "... and 39 more (--all shows them)" in said
    assert "Person 097" in run("check", source, "--all")


def test_use_keeps_the_source_and_launches_the_job(
    run: Run, made: list[str], tmp_path: Path
) -> None:
    source = faces(tmp_path)
    run("use", "my faces")
    assert made == [str(source)]
    kept = tmp_path / "home" / "settings.json"
    assert json.loads(kept.read_text()) == {"raw_faces": str(source)}
    assert Settings().raw_faces == str(source)
    run("use", "sample")
    assert Settings().raw_faces == "sample"


def test_min_faces_of_a_use_is_kept_with_the_source(
    run: Run, made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of these people, and has to hold for runs that are launched later."""
    few = str(written(tmp_path / "few", flat()))
    monkeypatch.setenv("MIN_FACES", "4")
    run("use", few)
    monkeypatch.delenv("MIN_FACES")
    assert made == [few]
    assert (Settings().raw_faces, Settings().min_faces) == (few, 4)
    assert "3 of 3 people would be in the data set" in run("check", few)


def test_use_of_a_variable_that_counts_before_is_refused(
    run: Run, made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = faces(tmp_path)
    monkeypatch.setenv("RAW_FACES", "sample")
    with pytest.raises(TwinMatcherError, match="unset RAW_FACES"):
        run("use", str(source))
    monkeypatch.setenv("RAW_FACES", "my faces")
    run("use", str(source))
    assert made == [str(source)]


@pytest.mark.parametrize("command", ["check", "use"])
def test_a_source_that_will_not_do_changes_nothing(
    command: str, run: Run, made: list[str], tmp_path: Path
) -> None:
    few = written(tmp_path / "few", flat())
    words = "0 of 3 people would be.*fewer than MIN_FACES=8.*With MIN_FACES=4 3 of them"
    with pytest.raises(TwinMatcherError, match=words):
        run(command, str(few))
    with pytest.raises(TwinMatcherError, match="There is no file or folder 'nothing'"):
        run(command, "nothing")
    with pytest.raises(TwinMatcherError, match="no place that faces are read from"):
        run(command, "https://key:secret@example.com/a.zip")
    assert made == []
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (94, "94 s"), (600, "10 minutes"), (36_000, "10 hours")]
)
def test_times_are_round(seconds: float, words: str) -> None:
    assert own_celebrities._time(seconds) == words
