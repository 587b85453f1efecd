"""`twin-matcher uploads`: the same as the review page, with the bucket alone."""

from __future__ import annotations

import getpass
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from twin_matcher_dagster.access.audit import AuditLog
from twin_matcher_dagster.access.people import Role
from twin_matcher_dagster.cli import main, uploads
from twin_matcher_dagster.errors import TwinMatcherError, UploadError
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import arrivals
from twin_matcher_dagster.uploads.decisions import AskedFor, UploadDecision, get_decision
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.review.test_app import ANA, FLAG


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch) -> Kit:
    kit = Kit(memory_bucket())
    kit.celebrities()

    @contextmanager
    def opened(settings: Settings) -> Generator[ObjectStore]:
        yield kit.store

    monkeypatch.setattr(uploads, "opened_bucket", opened)
    monkeypatch.setattr(uploads.console, "width", 200)
    return kit


@pytest.fixture
def flagged(kit: Kit) -> str:
    upload_id = kit.upload(name="Zoë [red]")
    kit.judge(upload_id, state="flagged", flags=(FLAG,), resembles=(ANA,))
    return upload_id


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main.app, ["uploads", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_what_waits_is_listed_and_the_rest_where_it_is_asked_for(kit: Kit, flagged: str) -> None:
    other = kit.user("Ana", publication=False)
    said = run("list", "--waiting")
    assert flagged in said
    assert other not in said
    assert "1 flagged upload" in said
    said = run("list")
    assert flagged in said
    assert "accepted" in said
    assert other in said


def test_from_looking_to_a_decision(kit: Kit, flagged: str) -> None:
    said = run("show", flagged.lower())
    assert "Zoë [red]" in said
    assert "like Ana Aranda" in said
    assert "As alike as photos of one person are." in said
    run("accept", flagged, "--note", "a twin")
    decided = get_decision(kit.store, flagged)
    assert decided
    assert (decided.decision, decided.note) == (UploadDecision.accept, "a twin")
    assert set(arrivals(kit.store)) == {flagged}
    (deed,) = AuditLog(kit.store).deeds()
    assert (deed.who, deed.role, deed.what) == (getpass.getuser(), Role.ADMIN, "accept")
    assert "decided: accept" in run("show", flagged)
    assert "being carried out" in run("show", flagged)


def test_all_decisions_are_there(kit: Kit, flagged: str) -> None:
    run("reject", flagged)
    assert "in good light" in run("ask-again", flagged, "--reason", "light")
    decided = get_decision(kit.store, flagged)
    assert decided
    assert decided.reason is AskedFor.light
    run("take-back", flagged)
    whats = [deed.what for deed in AuditLog(kit.store).deeds()]
    assert whats == ["reject", "ask_again", "take-back"]


def test_what_cannot_be_is_said(kit: Kit) -> None:
    with pytest.raises(UploadError, match="There is no upload"):
        run("accept", "01KB0000000000000000000000")
    with pytest.raises(TwinMatcherError, match="is no upload id"):
        run("show", "nobody")
