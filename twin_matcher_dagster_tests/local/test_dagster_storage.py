"""Dagster's storage: SQLite unless a PostgreSQL database is named, and what is wrong with one."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local.dagster_storage import CONFIGURATION, PG_URL, check_storage
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.settings import Settings, problems_of
from twin_matcher_dagster_tests.postgres import postgres_server

PASSWORD = "s3cret-w0rd"
URL = f"postgresql://twins:{PASSWORD}@127.0.0.1:5432/dagster"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TWIN_MATCHER_BUCKET", "TWIN_MATCHER_EMBEDDED_S3", PG_URL):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def instance_of(variables: dict[str, str]) -> tuple[Path, dict[str, object]]:
    """The folder of an environment's instance, and its configuration."""
    folder = Path(variables["DAGSTER_HOME"])
    return folder, yaml.safe_load((folder / "dagster.yaml").read_text())


def test_sqlite_is_the_default(home: Path) -> None:
    variables = environment(Settings())
    folder, configuration = instance_of(variables)
    assert folder == home / "dagster"
    assert (folder / "dagster.yaml").read_text() == CONFIGURATION.read_text()
    assert "storage" not in configuration
    assert PG_URL not in variables
    check_storage(Settings())


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_a_database_is_named_by_the_environment_and_by_no_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(PG_URL, URL.replace("postgresql", scheme))
    variables = environment(Settings())
    folder, configuration = instance_of(variables)
    assert configuration["storage"] == {"postgres": {"postgres_url": {"env": PG_URL}}}
    # With the driver, whatever SQLAlchemy takes for one by default.
    assert variables[PG_URL] == URL.replace("postgresql", "postgresql+psycopg2")
    assert PASSWORD not in repr(Settings())
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD in path.read_text()]
    # A command in a shell without the variable leaves that instance alone.
    monkeypatch.delenv(PG_URL)
    assert instance_of(environment(Settings()))[0] != folder
    assert "storage" in yaml.safe_load((folder / "dagster.yaml").read_text())


def test_an_empty_variable_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PG_URL, "")
    assert Settings().dagster_pg_url is None


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        f"mysql://twins:{PASSWORD}@127.0.0.1/dagster",
        f"postgresql://twins:{PASSWORD}@127.0.0.1:5432",
        f"postgresql://twins:{PASSWORD}@127.0.0.1:5432/",
        f"postgresql://twins:a/{PASSWORD}@127.0.0.1:port/dagster",
        f"postgresql://[{PASSWORD}/dagster",
    ],
)
def test_a_malformed_address_is_one_sentence_without_the_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(PG_URL, text)
    with pytest.raises(ValidationError) as caught:
        Settings()
    (problem,) = problems_of(caught.value)
    assert problem.startswith(f"{PG_URL}: ")
    assert "postgresql://user:password@host:5432/database" in problem
    assert PASSWORD not in str(caught.value)


def test_a_missing_extra_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PG_URL, URL)
    monkeypatch.setitem(sys.modules, "dagster_postgres", None)
    monkeypatch.setattr("twin_matcher_dagster.local.dagster_storage.find_spec", lambda name: None)
    with pytest.raises(ServicesError, match=r"pip install 'twin-matcher-dagster\[postgres\]'"):
        check_storage(Settings())


def test_a_server_that_does_not_answer_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg2", reason="the extra `postgres` is not installed")
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv(PG_URL, URL.replace("5432", str(port)))
        with pytest.raises(ServicesError, match=r"cannot be opened: .*refused") as caught:
            check_storage(Settings())
    assert PASSWORD not in str(caught.value)


@pytest.mark.slow
def test_a_wrong_password_and_a_missing_database_are_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_server() as server:
        monkeypatch.setenv(PG_URL, server.url)
        check_storage(Settings())
        monkeypatch.setenv(PG_URL, server.url.replace("/postgres", "/another"))
        with pytest.raises(ServicesError, match='database "another" does not exist'):
            check_storage(Settings())
        monkeypatch.setenv(PG_URL, server.url.replace("twins:", f"twins:{PASSWORD}"))
        with pytest.raises(ServicesError, match="password authentication failed") as caught:
            check_storage(Settings())
        assert PASSWORD not in str(caught.value)
