"""A PostgreSQL server of Debian's package, for a test: of its own, and for an unprivileged user."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from twin_matcher_dagster.local.ports import HeldPorts


def server_folder() -> Path | None:
    """Where the newest installed server's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: one.parts[4])
    return found[-1].parent if found else None


class PostgresServer:
    """A running server.

    Attributes:
        url: of its database, with a random password.
    """

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self._programs, self._folder, self._port = programs, folder, port
        password = secrets.token_urlsafe(12)
        self.url = f"postgresql://twins:{password}@127.0.0.1:{port}/postgres"
        secret = folder / "password"
        secret.write_text(password)
        # It refuses to run as root.
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            for path in (folder, secret):
                shutil.chown(path, "nobody", "nogroup")
        self._run("initdb", "-D", folder / "data", "-U", "twins", "-A", "scram-sha-256",
                  f"--pwfile={secret}", "--no-sync")  # fmt: skip

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder} -c fsync=off"
        self._run("pg_ctl", "-D", self._folder / "data", "-l", self._folder / "log", "-w",
                  "-o", options, "start")  # fmt: skip

    def stop(self) -> None:
        """Stop, without waiting for those who are connected."""
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        subprocess.run(
            command, check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=60, **self._as_user
        )


@contextmanager
def postgres_server() -> Generator[PostgresServer]:
    """Run a server for as long as the block lasts; a test without one is skipped."""
    programs = server_folder()
    if programs is None:
        pytest.skip("there is no PostgreSQL server here: apt-get install postgresql")
    if find_spec("dagster_postgres") is None:
        pytest.skip("the extra `postgres` is not installed")
    ports = HeldPorts(1)
    # A short path: a socket is in it. Not below pytest's folder, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = PostgresServer(programs, Path(folder), ports.numbers[0])
        server.start()
        try:
            yield server
        finally:
            server.stop()
            ports.release()
