"""The local services: one installation at a time, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import embedded_s3, services
from twin_matcher_dagster.local.environment import environment, state_folder
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


def test_a_service_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its port must be free for whatever starts next."""
    monkeypatch.setattr(services, "STOP_SECONDS", 1)
    for name in ("TWIN_MATCHER_BUCKET", "TWIN_MATCHER_EMBEDDED_S3"):
        monkeypatch.delenv(name, raising=False)
    ports = HeldPorts(1)
    settings = Settings(twin_matcher_home=tmp_path / "home", s3_port=ports.numbers[0])
    variables = environment(settings)
    log = state_folder(settings) / "log"
    with services.running([services.S3], variables, log) as honcho:
        embedded_s3.wait_until_ready(variables)
        servers = psutil.Process(honcho.pid).children(recursive=True)
        for server in servers:
            server.suspend()
        with pytest.raises(ServicesError, match="is taken"):
            services.check_ports(settings, [services.S3])
    assert not any(server.is_running() for server in servers)
    services.check_ports(settings, [services.S3])
    ports.release()
