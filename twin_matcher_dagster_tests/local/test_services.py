"""The local services: one installation at a time, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import environment, state_folder
from twin_matcher_dagster.local.kept_service import Patience
from twin_matcher_dagster.local.leftovers import CHILD_MARK, SERVICE_MARK
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("TWIN_MATCHER_BUCKET", "TWIN_MATCHER_EMBEDDED_S3"):
        monkeypatch.delenv(name, raising=False)
    return Settings(twin_matcher_home=tmp_path / "home")


def test_what_visitors_left_is_gone_before_and_after(settings: Settings) -> None:
    photo = state_folder(settings) / "pages" / "abc" / "photo.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a killed page left this")
    with services.exclusive_home(settings):
        assert not photo.exists()
        photo.parent.mkdir(parents=True)
        photo.write_bytes(b"a page that is stopped leaves this")
    assert not photo.exists()


def test_only_one_at_a_time(settings: Settings) -> None:
    with (
        services.exclusive_home(settings),
        pytest.raises(ServicesError, match="runs already"),
        services.exclusive_home(settings),
    ):
        pass


def test_what_has_a_certificate_is_reached_by_https(settings: Settings) -> None:
    plain = services.urls(settings)
    secured = services.urls(settings.model_copy(update={"tls_cert": Path("cert.pem")}))
    assert {name: url for name, url in secured.items() if url != plain[name]} == {
        services.DAGSTER: "https://127.0.0.1:3000",
        services.UPLOAD: "https://127.0.0.1:7860",
        services.PREDICT: "https://127.0.0.1:7861",
    }


@pytest.fixture
def one_port() -> Iterator[int]:
    ports = HeldPorts(1)
    yield ports.numbers[0]
    ports.release()


def test_a_service_that_does_not_end_is_killed(
    settings: Settings, one_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its port must be free for whatever starts next."""
    monkeypatch.setattr(services, "Patience", partial(Patience, stopping=1))
    settings = settings.model_copy(update={"s3_port": one_port})
    variables = environment(settings)
    home = state_folder(settings)
    with services.running([services.S3], variables, home / "log") as supervisor:
        supervisor.wait_until_ready()
        servers = [one for one in psutil.process_iter() if is_marked(one, home, services.S3)]
        assert servers
        for server in servers:
            server.suspend()
        with pytest.raises(ServicesError, match="is taken"):
            services.check_ports(settings, [services.S3])
    assert not any(server.is_running() for server in servers)
    services.check_ports(settings, [services.S3])


def is_marked(process: psutil.Process, home: Path, service: str) -> bool:
    try:
        marks = process.environ()
    except (psutil.Error, OSError):
        return False
    return (marks.get(CHILD_MARK), marks.get(SERVICE_MARK)) == (str(home), service)


# Holds a state folder with a service in it and a visitor's photo, and says so.
HOLD = """
import subprocess, sys
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.settings import Settings
settings = Settings()
with services.exclusive_home(settings) as home:
    service = subprocess.Popen(["sleep", "600"], env=environment(settings), start_new_session=True)
    (home / "pages").mkdir()
    (home / "pages" / "photo.jpg").write_bytes(b"of a visitor")
    print(service.pid, flush=True)
    sys.stdin.read()
"""


def test_who_is_killed_leaves_no_service_and_no_photo(settings: Settings) -> None:
    """With a signal that nobody can act on, and no further start: the guard does it."""
    home = settings.twin_matcher_home
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "TWIN_MATCHER_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    service = psutil.Process(int(holder.stdout.readline()))
    assert (home / "pages" / "photo.jpg").exists()
    holder.kill()
    holder.wait()
    deadline = time.monotonic() + 60
    while service.is_running() and service.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while (home / "pages").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_single_services_run_with_a_bucket_of_ones_own_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServicesError, match="with a bucket of your own only"):
        services.chosen(settings, ["predict"])
    assert services.chosen(settings, []) == services.names(settings)
    own = settings.model_copy(update={"twin_matcher_bucket": "faces"})
    assert services.chosen(own, ["predict"]) == ["predict"]
    assert services.chosen(own, ["dagster"]) == ["code", "dagster", "daemon"]
    with pytest.raises(ServicesError, match=r"There is no service s3, web\. Choose of dagster, "):
        services.chosen(own, ["web", "s3"])


def test_every_service_has_a_command_and_a_question(settings: Settings) -> None:
    variables = environment(settings)
    assert set(services.commands(variables)) == set(services.names(settings))
    assert set(services.questions(variables)) == set(services.names(settings))


def test_a_secret_is_for_the_service_that_it_is_of(settings: Settings) -> None:
    variables = {**environment(settings), "OPENID_CLIENT_SECRET": "a secret"}
    wanted = [services.DAGSTER, services.UPLOAD, services.CODE]
    given = {
        service.name: "OPENID_CLIENT_SECRET" not in service.withheld
        for service in services.described(wanted, variables)
    }
    assert given == {services.DAGSTER: True, services.UPLOAD: False, services.CODE: False}
