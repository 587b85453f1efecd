"""The files for servers: they parse, and say what `twin-matcher up` says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from twin_matcher_dagster.local import services
from twin_matcher_dagster.settings import PROJECT_ROOT, Settings

DEPLOY = PROJECT_ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


@pytest.fixture
def settings() -> Settings:
    return Settings(twin_matcher_bucket="faces")


def test_compose_runs_each_part_once_on_its_port(settings: Settings) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    ports = services.ports(settings)
    run: list[str] = []
    for name, service in compose["services"].items():
        command, *wanted = service["command"]
        assert command == "up"
        run += services.chosen(settings, wanted)
        # Behind a proxy with a sign-in: none is reached from elsewhere.
        assert service["ports"] == [f"127.0.0.1:{ports[name]}:{ports[name]}"]
        asked = service["healthcheck"]["test"][-1]
        assert f"http://127.0.0.1:{ports[name]}/" in asked
        compile(asked, name, "exec")
        assert service["restart"] == "always"
        assert service["init"] is True
    assert sorted(run) == sorted(services.names(settings))


def test_the_image_has_the_torch_of_the_project() -> None:
    wanted = re.search(r'"torch==([\d.]+)"', (PROJECT_ROOT / "pyproject.toml").read_text())
    assert wanted
    assert f"torch=={wanted[1]} " in (DEPLOY / "Dockerfile").read_text()


def test_the_units_run_up_and_never_give_up(settings: Settings) -> None:
    for unit in UNITS:
        text = unit.read_text()
        started = r"^ExecStart=/opt/twin-matcher/bin/twin-matcher up(?: %i)?$"
        assert re.search(started, text, re.MULTILINE), unit
        assert "Restart=always" in text
        assert "StartLimitIntervalSec=0" in text
    template = (DEPLOY / "systemd" / "twin-matcher@.service").read_text()
    for name in re.findall(r"twin-matcher@(\w+)", template):
        assert services.chosen(settings, [name])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    # The program and the user are not on this machine.
    text = unit.read_text().replace("/opt/twin-matcher/bin/twin-matcher", "/bin/true")
    copy = tmp_path / unit.name.replace("@.", "@predict.")
    copy.write_text(text.replace("User=twin-matcher\n", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    # Before version 254 systemd has no back-off, and starts again after a second each time.
    newer = re.compile(r"Unknown key .*'(RestartSteps|RestartMaxDelaySec)'.*, ignoring")
    problems = [line for line in done.stderr.splitlines() if not newer.search(line)]
    assert (done.returncode, problems) == (0, [])
