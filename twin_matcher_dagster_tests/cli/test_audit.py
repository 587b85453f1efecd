"""`twin-matcher audit` and `sign-in`: who did what, and where the token is told."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from twin_matcher_dagster.access.audit import AuditLog
from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.cli import audit, main
from twin_matcher_dagster.cli.up import sign_in_hint
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.local.sign_in_token import read_token
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.memory import memory_bucket

TOKEN = "a-token-of-the-operator"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The bucket that the command opens."""
    bucket = memory_bucket()

    @contextmanager
    def opened(settings: Settings) -> Generator[ObjectStore]:
        yield bucket

    monkeypatch.setattr(audit, "opened_bucket", opened)
    return bucket


def printed(bucket: ObjectStore, *, as_json: bool, days: float = 1) -> str:
    output = io.StringIO()
    audit.print_deeds(Settings(), days, Console(file=output, width=120), as_json=as_json)
    return output.getvalue()


def test_who_did_what_is_printed(bucket: ObjectStore) -> None:
    assert "Nobody did anything in the last 1 days" in printed(bucket, as_json=False)
    ana = Principal("ana@[red]example.org", Role.ADMIN)
    deed = AuditLog(bucket).add(ana, "launchRun", ["celebrities", "run-7"])
    table = printed(bucket, as_json=False)
    for word in (f"{deed.when:%Y-%m-%d %H:%M:%S}", ana.name, "admin", "launchRun", "run-7"):
        assert word in table
    assert json.loads(printed(bucket, as_json=True)) == {
        "when": deed.when.isoformat(),
        "who": ana.name,
        "role": "admin",
        "what": "launchRun",
        "about": ["celebrities", "run-7"],
    }


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("TWIN_MATCHER_BUCKET", "TWIN_MATCHER_EMBEDDED_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path / "home"))
    return Settings()


def test_the_token_is_for_a_terminal_and_not_for_a_log(settings: Settings) -> None:
    environment(settings)
    token = read_token(settings.twin_matcher_home)
    terminal = Console(file=io.StringIO(), force_terminal=True)
    log = Console(file=io.StringIO(), force_terminal=False)
    assert sign_in_hint(settings, terminal).endswith(f"http://127.0.0.1:3000/?token={token}")
    assert token not in sign_in_hint(settings, log)
    assert "twin-matcher sign-in" in sign_in_hint(settings, log)
    by_proxy = settings.model_copy(
        update={"sign_in": "proxy", "dagster_url": "https://dagster.example.org"}
    )
    for console in (terminal, log):
        assert sign_in_hint(by_proxy, console).endswith(": https://dagster.example.org")


def test_a_command_prints_the_address(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    main.sign_in()
    assert capsys.readouterr().out == f"{services.sign_in_url(settings)}\n"


def test_no_service_has_the_token_in_its_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_TOKEN", TOKEN)
    variables = environment(Settings())
    assert TOKEN not in variables.values()
    assert read_token(settings.twin_matcher_home) == TOKEN
    assert os.environ["DAGSTER_TOKEN"] == TOKEN
