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
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.storage.object_store import ObjectStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

TORCH = "torch==2.13.0"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
SERVING_BYTES = 700e6
"""What pages and API may take, with everything that they need."""


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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built elsewhere: building leaves folders behind."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = run("git", "ls-files", "-co", "--exclude-standard", cwd=PROJECT_ROOT).splitlines()
    for name in tracked:
        if (PROJECT_ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_ROOT / name, folder / "source" / name)
    run(
        *PIP, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder / "dist", ".",
        cwd=folder / "source",
    )  # fmt: skip
    shutil.rmtree(folder / "source")  # nothing may be taken from it
    (built,) = (folder / "dist").iterdir()
    return built


def installed_beside(wheel: Path, folder: Path, requirements: str, *before: str) -> Path:
    """The folder of programs of an environment that holds the wheel and locked packages.

    Args:
        wheel: which.
        folder: an empty one.
        requirements: the file of the locked packages.
        before: packages that are no part of it.
    """
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    shutil.copy(PROJECT_ROOT / "requirements" / requirements, folder)
    for what in (
        *[[one] for one in before],
        ["--no-deps", "--require-hashes", "-r", requirements],
        ["--no-deps", wheel],
    ):
        run(folder / "venv/bin/python", *PIP[1:], "install", "-q", *what, cwd=folder)
    return folder / "venv" / "bin"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it."""
    return installed_beside(wheel, tmp_path_factory.mktemp("all"), "lock.txt", TORCH)


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
        # Nobody sees Dagster without a sign-in.
        paths = {"DAGSTER_PORT": "healthz", "UPLOAD_PORT": "", "PREDICT_PORT": ""}
        for name, path in paths.items():
            address = f"http://127.0.0.1:{surroundings[name]}/{path}"
            with urllib.request.urlopen(address) as page:
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


def test_pages_and_answers_need_no_more_than_their_part_of_the_lock(
    wheel: Path, released: ObjectStore, story: Story, tmp_path: Path
) -> None:
    """No torch, no transformers, no Dagster: on a server of their own."""
    programs = installed_beside(wheel, tmp_path, "serve.txt")
    (packages,) = tmp_path.glob("venv/lib/python3*/site-packages")
    files = [path.relative_to(packages) for path in packages.rglob("*") if path.is_file()]
    # Bytecode is written by whoever imports it; pip came with the environment.
    ours = [path for path in files if path.suffix != ".pyc" and not path.parts[0].startswith("pip")]
    assert sum((packages / path).stat().st_size for path in ours) < SERVING_BYTES
    (port,) = HeldPorts(1).numbers
    surroundings = {
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TWIN_MATCHER_BUCKET": released.bucket,
        "PREDICT_PORT": str(port),
    }
    output = tmp_path / "output"
    with output.open("wb") as file:
        serving = subprocess.Popen(
            [programs / "twin-matcher", "serve"],
            cwd="/",
            env=surroundings,
            stdout=file,
            stderr=file,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            assert serving.poll() is None, output.read_text()
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/readyz").is_success:
                    break
            time.sleep(0.5)
        answer = httpx.post(f"{url}/v1/twins", content=story.photo.read_bytes(), timeout=60)
        assert answer.json()["identity"]["name"] == story.name
        assert httpx.get(f"{url}/upload/").is_success
    finally:
        serving.terminate()
        serving.wait(60)
