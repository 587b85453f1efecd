"""`twin-matcher serve`: one process on one port, which ends with the command."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from twin_matcher_dagster.cli import serve
from twin_matcher_dagster.cli.serve import serve_both
from twin_matcher_dagster.settings import Settings


def test_both_pages_run_until_the_command_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    started: list[tuple[list[str], dict[str, str]]] = []
    stopped: list[str] = []

    class Site:
        """A process that runs until it is interrupted."""

        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            started.append((command, env))

        def wait(self) -> int:
            if not stopped:
                raise KeyboardInterrupt
            return 0

        def terminate(self) -> None:
            stopped.append("stopped")

    @contextmanager
    def open_bucket(settings: Settings) -> Generator[Any]:
        opened.append("opened")
        yield None
        opened.append("closed")

    monkeypatch.setattr(serve, "opened_bucket", open_bucket)
    monkeypatch.setattr(serve.services, "check_ports", lambda settings, wanted: None)
    monkeypatch.setattr(subprocess, "Popen", Site)
    said = io.StringIO()
    settings = Settings(twin_matcher_home=tmp_path / "home", twin_matcher_bucket="faces")
    with pytest.raises(KeyboardInterrupt):
        serve_both(settings, Console(file=said, width=200))
    ((command, variables),) = started
    assert command == [sys.executable, "-m", "twin_matcher_dagster.pages.both"]
    assert variables["PREDICT_PORT"] == "7861"
    assert (stopped, opened) == (["stopped"], ["opened"])
    assert "http://127.0.0.1:7861/upload" in said.getvalue()
