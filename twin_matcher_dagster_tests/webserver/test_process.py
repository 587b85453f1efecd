"""The process of the webserver: it starts, keeps the token to itself, and ends when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.local.sign_in_token import read_token


def answer_of(url: str, process: subprocess.Popen[str]) -> bytes:
    """What the process answers, once it does."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read()
        time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.slow
def test_it_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    home, ports = tmp_path / "home", HeldPorts(1)
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    (tmp_path / "workspace.yaml").write_text("load_from: []\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "twin_matcher_dagster.webserver"],
        env={
            **os.environ,
            "DAGSTER_HOME": str(tmp_path),
            "TWIN_MATCHER_HOME": str(home),
            "TWIN_MATCHER_WORKSPACE": str(tmp_path / "workspace.yaml"),
            "DAGSTER_PORT": str(ports.numbers[0]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"http://127.0.0.1:{ports.numbers[0]}"
    assert answer_of(f"{url}/healthz", process) == b'{"guard":"ok"}'
    token = read_token(home)
    with pytest.raises(OSError, match="401"):
        urllib.request.urlopen(f"{url}/?token=x{token}")
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert "a wrong token came from 127.0.0.1" in printed
    assert token not in printed
    assert "Traceback" not in printed
    ports.release()
