"""An installation of its own for each test: a state folder, ports, and the command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from twin_matcher_dagster.local.leftovers import CHILD_MARK
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import PROJECT_ROOT


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

    def run(self, *command: str) -> str:
        """Run ``twin-matcher COMMAND`` to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "twin_matcher_dagster.cli.main", *command],
            cwd=PROJECT_ROOT,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

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
        for process in psutil.process_iter():
            try:
                if process.environ().get(CHILD_MARK) == str(self.home.resolve()):
                    found.append(" ".join(process.cmdline()))
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture
def installation(
    tmp_path_factory: pytest.TempPathFactory, small_source: Path
) -> Generator[Installation]:
    """A fresh one; whatever a failed test left running is stopped."""
    made = Installation(tmp_path_factory.mktemp("installation") / "home", small_source)
    yield made
    for process in psutil.process_iter():
        try:
            if process.environ().get("TWIN_MATCHER_HOME") == str(made.home):
                process.kill()
        except (psutil.Error, OSError):
            continue
    made.ports.release()
