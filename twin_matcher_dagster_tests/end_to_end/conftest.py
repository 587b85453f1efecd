"""An installation of its own for each test: a state folder, ports, and the command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import PROJECT_ROOT, Settings
from twin_matcher_dagster_tests.end_to_end.processes import processes_of

PATIENCE = 1200
"""So many seconds may pass without any progress: the longest pause before a further try is 900."""


class Installation:
    """A state folder of its own, and the command run on it."""

    def __init__(self, home: Path, source: Path) -> None:
        self.home = home
        self.ports = HeldPorts(4)  # until this process ends: services stop and start again
        s3_port, dagster_port, upload_port, predict_port = self.ports.numbers
        # Nothing of AWS and of other tests; nor is coverage measured, which slows every process.
        others = ("AWS_", "TWIN_MATCHER", "COVERAGE_")
        self.variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith(others)},
            "TWIN_MATCHER_HOME": str(home),
            "RAW_FACES": str(source),
            "EPOCHS": "4",
            "S3_PORT": str(s3_port),
            "DAGSTER_PORT": str(dagster_port),
            "UPLOAD_PORT": str(upload_port),
            "PREDICT_PORT": str(predict_port),
            "COLUMNS": "200",
        }
        self.output = home.parent / "output.txt"

    def settings(self) -> Settings:
        """The settings behind its variables."""
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("TWIN_MATCHER_BUCKET", raising=False)
            for name, value in self.variables.items():
                patch.setenv(name, value)
            return Settings()

    def start(self, command: str, **more: str) -> subprocess.Popen[bytes]:
        """Start ``twin-matcher COMMAND`` as a shell does in the background."""
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "twin_matcher_dagster.cli.main", command],
                cwd=PROJECT_ROOT,
                env={**self.variables, **more},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def demo(self) -> None:
        """Run the demo to its end: a first release."""
        demo = self.start("demo")
        self.wait_for("Done in", demo, PATIENCE)
        assert demo.wait(120) == 0

    def begin_as(self, home: Path) -> None:
        """With the state of another installation, which is stopped."""
        sockets = shutil.ignore_patterns("*.sock")
        shutil.copytree(home, self.home, symlinks=True, ignore=sockets)

    def begin(self, *command: str) -> subprocess.Popen[str]:
        """Start ``twin-matcher COMMAND`` beside others; what it prints is read from the process."""
        return subprocess.Popen(
            [sys.executable, "-m", "twin_matcher_dagster.cli.main", *command],
            cwd=PROJECT_ROOT,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, status: int = 0) -> str:
        """Run ``twin-matcher COMMAND`` to its end; what it printed."""
        process = self.begin(*command)
        try:
            printed, _ = process.communicate(timeout=240)
        finally:
            process.kill()
        assert process.returncode == status, printed
        return printed

    def wait_for(self, pattern: str, process: subprocess.Popen[bytes], patience: float) -> str:
        """Wait until the command has printed something; all that it printed.

        It may take as long as there is progress: ``patience`` seconds pass without a further word.
        """
        printed, deadline = "", time.monotonic() + patience
        while True:
            before, printed = printed, self.output.read_text()
            if re.search(pattern, printed):
                return printed
            if printed != before:
                deadline = time.monotonic() + patience
            assert process.poll() is None, f"ended early:\n{printed}"
            assert time.monotonic() < deadline, f"no {pattern!r} in time:\n{printed}"
            time.sleep(0.5)

    def left_running(self) -> list[str]:
        """Processes that were started for this installation and are still there."""
        found = []
        for process in processes_of(self.home):
            with suppress(psutil.Error):
                found.append(" ".join(process.cmdline()))
        return found

    def clear_away(self) -> None:
        """Kill whatever was left running, and let the ports go."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get("TWIN_MATCHER_HOME") == str(self.home):
                    process.kill()
        self.ports.release()


@pytest.fixture
def installation(
    tmp_path_factory: pytest.TempPathFactory, small_source: Path
) -> Generator[Installation]:
    """A fresh one; whatever a failed test left running is stopped."""
    yield from _installed(tmp_path_factory, small_source)


@pytest.fixture
def another_installation(
    tmp_path_factory: pytest.TempPathFactory, small_source: Path
) -> Generator[Installation]:
    """A second one, as on another machine."""
    yield from _installed(tmp_path_factory, small_source)


def _installed(
    tmp_path_factory: pytest.TempPathFactory, small_source: Path
) -> Generator[Installation]:
    made = Installation(tmp_path_factory.mktemp("installation") / "home", small_source)
    yield made
    made.clear_away()


@pytest.fixture(scope="session")
def first_release(tmp_path_factory: pytest.TempPathFactory, small_source: Path) -> Path:
    """The state folder of an installation whose demo has ended: begin as it, do not use it."""
    made = Installation(tmp_path_factory.mktemp("first") / "home", small_source)
    try:
        made.demo()
    finally:
        made.clear_away()
    return made.home
