"""`twin-matcher status`: a code that is in no argument, and what is printed."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from rich.console import Console
from typer.main import get_command

from twin_matcher_dagster.cli import main
from twin_matcher_dagster.cli import status as asking
from twin_matcher_dagster.errors import CodeError
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.twins.agreement import agreeing
from twin_matcher_dagster_tests.kit import CODE, Kit
from twin_matcher_dagster_tests.memory import memory_bucket


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch) -> Kit:
    kit = Kit(memory_bucket())

    @contextmanager
    def opened(settings: Settings) -> Generator[ObjectStore]:
        yield kit.store

    monkeypatch.setattr(asking, "opened_bucket", opened)
    monkeypatch.setenv(asking.CODE_VARIABLE, CODE)
    return kit


@pytest.fixture
def twins(kit: Kit) -> tuple[str, str]:
    kit.celebrities()
    both = kit.visitor("Ana"), kit.visitor("[red]Zoë")
    kit.version()
    kit.release()
    kit.pairs(*both)
    return both


def printed(upload_id: str, *, as_json: bool = False, no_twin: bool = False) -> str:
    console = Console(file=io.StringIO(), width=200)
    asking.print_status(Settings(), upload_id, console, as_json=as_json, no_twin=no_twin)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_no_argument_takes_a_code() -> None:
    command = vars(get_command(main.app))["commands"]["status"]
    assert {option for one in command.params for option in one.opts} == {
        "upload_id",
        "--json",
        "--no-twin",
    }


def test_the_code_is_piped_in_where_the_environment_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(asking.CODE_VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{CODE}\nmore"))
    assert asking.given_code() == CODE


def test_what_became_of_it_is_printed(kit: Kit, twins: tuple[str, str]) -> None:
    said = printed(twins[0])
    assert said.startswith(f"In {twins[0]}")
    assert "in since release 1" in said
    assert "Your long-lost twin: [red]Zoë, more alike than 99" in said


def test_a_program_reads_it_as_json(
    kit: Kit, twins: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    printed(twins[1], as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["since"]) == ("in release", 1)
    assert found["twin"] == {"news": "found", "name": "Ana", "likeness": 0.995}
    assert CODE not in str(found)


def test_a_twin_is_taken_back(kit: Kit, twins: tuple[str, str]) -> None:
    assert "twin" not in printed(twins[0], no_twin=True)
    assert agreeing(kit.store, twins[0]) is None
    assert "Nobody who is very much like you" in printed(twins[1])


def test_a_wrong_code_takes_nothing_back(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = kit.upload(twin=True)
    monkeypatch.setenv(asking.CODE_VARIABLE, "wrong")
    with pytest.raises(CodeError, match="do not belong together"):
        printed(upload_id, no_twin=True)
    assert agreeing(kit.store, upload_id)
