"""The questions that services are asked, asked of a small server."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twin_matcher_dagster.local import embedded_s3, health
from twin_matcher_dagster.local.health import NoRoomError, SilentError, UnknownError
from twin_matcher_dagster.local.sign_in_token import is_program_pass, keep_token, read_token


class Web:
    """Answers every request alike, and keeps the queries."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = {}
        self.queries: list[str] = []
        self.credentials: list[str | None] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(web.status)
                self.end_headers()
                self.wfile.write(json.dumps(web.answer).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.credentials.append(self.headers["Authorization"])
                web.queries.append(json.loads(body)["query"])
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def state(self, ages: Mapping[str, float | None], location: str = "RepositoryLocation") -> None:
        """Answer as the webserver of a Dagster whose daemons gave heartbeats so long ago."""
        now = time.time()
        statuses = [
            {
                "daemonType": name,
                "required": name != "BACKFILL",
                "lastHeartbeatTime": None if age is None else now - age,
            }
            for name, age in ages.items()
        ]
        loaded = {"__typename": "x", "locationOrLoadError": {"__typename": location}}
        self.answer = {
            "data": {
                "instance": {"daemonHealth": {"allDaemonStatuses": statuses}},
                "workspaceLocationEntryOrError": loaded,
            }
        }


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_page_whose_store_is_away_answers(web: Web) -> None:
    ask = health.page_question(web.url)
    web.answer = {"page": "ok", "store": "ok"}
    ask(0)
    web.status, web.answer = 503, {"page": "ok", "store": "away"}
    ask(0)
    web.status, web.answer = 404, {"detail": "Not Found"}
    with pytest.raises(LookupError):
        ask(0)
    web.server.server_close()
    with pytest.raises(OSError, match="refused"):
        health.page_question("http://127.0.0.1:9")(0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder with a token."""
    keep_token(tmp_path, None)
    return tmp_path


def test_the_webserver_is_shown_a_pass_and_not_the_token(web: Web, home: Path) -> None:
    """Who knows what listens on the port."""
    web.state({})
    health.webserver_question(web.url, home)(0)
    (shown,) = web.credentials
    token = read_token(home)
    assert shown
    assert token not in shown
    assert is_program_pass(token, shown.removeprefix("Bearer "))
    assert not is_program_pass("another token", shown.removeprefix("Bearer "))


def test_a_location_that_failed_to_load_is_loaded_again(web: Web, home: Path) -> None:
    ask = health.webserver_question(web.url, home)
    web.state({})
    ask(0)
    assert len(web.queries) == 1
    web.state({}, location="PythonError")
    ask(0)
    assert "reloadRepositoryLocation" in web.queries[-1]


def test_an_answer_without_data_is_none(web: Web, home: Path) -> None:
    web.answer = {"errors": [{"message": "Cannot query field"}]}
    with pytest.raises(ValueError, match="Cannot query field"):
        health.webserver_question(web.url, home)(0)


@pytest.mark.parametrize(
    ("running_s", "ages", "silent"),
    [
        (5, {"SENSOR": 3, "ASSET": None}, None),
        (5, {"SENSOR": 20, "ASSET": 30}, "gives no heartbeat"),  # of the process before
        (1000, {"SENSOR": 25, "ASSET": 80, "BACKFILL": 5000}, None),
        (1000, {"SENSOR": 100, "ASSET": 95}, "gives no heartbeat"),
        (1000, {"SENSOR": 25, "ASSET": 950}, "of ASSET"),
        (600, {"SENSOR": 25, "ASSET": 950}, None),
    ],
)
def test_heartbeats_say_whether_the_daemon_lives(
    web: Web, home: Path, running_s: float, ages: Mapping[str, float | None], silent: str | None
) -> None:
    web.state(ages)
    ask = health.daemon_question(web.url, home)
    if silent is None:
        ask(time.time() - running_s)
    else:
        with pytest.raises(SilentError, match=silent):
            ask(time.time() - running_s)


def test_a_daemon_is_not_judged_while_the_webserver_is_away(home: Path) -> None:
    with pytest.raises(UnknownError):
        health.daemon_question("http://127.0.0.1:9", home)(0)


def test_a_code_server_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="UNAVAILABLE"):
        health.code_server_question(tmp_path / "code.sock")(0)


def test_the_store_is_read_and_written(
    s3_variables: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        **s3_variables,
        "TWIN_MATCHER_BUCKET": "asked",
        "TWIN_MATCHER_HOME": str(tmp_path),
    }
    ask = health.store_question(variables)
    ask(1)  # makes the bucket
    ask(1)

    def refuse(store: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(embedded_s3, "read_and_write", refuse)
    ask(1)  # reads alone for a minute, but not what another process wrote
    with pytest.raises(OSError, match="no space left"):
        ask(2)
    disk = SimpleNamespace(total=100_000, free=900)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: disk)
    with pytest.raises(NoRoomError, match=r"the disk of .* is full"):
        ask(2)  # it reads on, and is not asked to write
    disk.free = 1100
    with pytest.raises(OSError, match="no space left"):
        ask(2)
