"""An S3 server beside an installation, as another machine's would be; it can be killed."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.ports import HeldPorts


class StoreServer:
    """The same server as the embedded one, with nobody but us to start it again.

    Args:
        folder: where the objects are kept.

    Attributes:
        variables: the environment that points at it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports, self._inner = HeldPorts(1), embedded_s3.inner_ports()
        self.variables: Mapping[str, str] = {
            "AWS_ACCESS_KEY_ID": "PROOF" + secrets.token_hex(8).upper(),
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self._ports.numbers[0]}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "TWIN_MATCHER_BUCKET": "proof",
        }
        folder.mkdir()
        self._start()
        embedded_s3.wait_until_ready(self.variables)

    def _start(self) -> None:
        command = embedded_s3.server_command(self._folder, self._ports.numbers[0], self._inner)
        with self._folder.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **self.variables}, stdout=log, stderr=log
            )

    def keep(self) -> None:
        """Start it again if it has ended."""
        if self._process.poll() is not None:
            self._start()

    def kill(self) -> None:
        """``kill -9``."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """It is not started any more."""
        self.kill()
        self._ports.release()
        self._inner.release()
