"""The wheel is the product: built, installed into an empty environment, and used from there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import PROJECT_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

TORCH = "torch==2.13.0"


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end; what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and the locked packages."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = run("git", "ls-files", "-co", "--exclude-standard", cwd=PROJECT_ROOT).splitlines()
    for name in tracked:
        # Elsewhere: building leaves folders behind, and nothing may be taken from the checkout.
        if (PROJECT_ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_ROOT / name, folder / "source" / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(
        *pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder / "dist", ".",
        cwd=folder / "source",
    )  # fmt: skip
    shutil.copy(PROJECT_ROOT / "requirements" / "lock.txt", folder)
    shutil.rmtree(folder / "source")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    (wheel,) = (folder / "dist").iterdir()
    for what in (
        [TORCH],
        ["--no-deps", "--require-hashes", "-r", "lock.txt"],
        ["--no-deps", wheel],
    ):
        run(folder / "venv/bin/python", *pip[1:], "install", "-q", *what, cwd=folder)
    return folder / "venv" / "bin"


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment as a person's who has nothing but a home."""
    names = ("S3_PORT", "DAGSTER_PORT", "UPLOAD_PORT", "PREDICT_PORT")
    return {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "PATH": os.environ["PATH"],
        "COLUMNS": "200",
        "EPOCHS": "1",
        **{name: str(port) for name, port in zip(names, HeldPorts(4).numbers, strict=True)},
    }


def test_the_demo_runs_from_the_wheel(
    installed: Path, surroundings: dict[str, str], tmp_path: Path
) -> None:
    program = installed / "twin-matcher"
    assert re.match(r"twin-matcher \d", run(program, "--version", cwd=tmp_path, env=surroundings))
    printed = run(program, "demo", cwd=tmp_path, env=surroundings)
    assert "The twins of" in printed
    assert "Next: twin-matcher up" in printed
    assert list(tmp_path.iterdir()) == []  # its state is not where it happens to be run


def test_the_services_run_from_the_wheel(
    installed: Path, surroundings: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file:
        up = subprocess.Popen(
            [installed / "twin-matcher", "up"], cwd="/", env=surroundings, stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + 600
        while "Stop with Ctrl-C" not in output.read_text():
            assert up.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(1)
        for name in ("DAGSTER_PORT", "UPLOAD_PORT", "PREDICT_PORT"):
            with urllib.request.urlopen(f"http://127.0.0.1:{surroundings[name]}/") as page:
                assert page.status == 200
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(120)
    assert up.returncode == 130


def test_the_shell_completes_its_commands(
    installed: Path, surroundings: dict[str, str], tmp_path: Path
) -> None:
    asked = {
        "_TWIN_MATCHER_COMPLETE": "complete_bash",
        "COMP_WORDS": "twin-matcher re",
        "COMP_CWORD": "1",
    }
    offered = run(installed / "twin-matcher", cwd=tmp_path, env={**surroundings, **asked})
    assert {"release", "review"} <= set(offered.split())
