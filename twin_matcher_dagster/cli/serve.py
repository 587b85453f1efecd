"""`twin-matcher serve`: both pages and the answers for programs on one port."""

from __future__ import annotations

import subprocess
import sys

from rich.console import Console

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.settings import Settings

MODULE = "twin_matcher_dagster.pages.both"


def serve_both(settings: Settings, console: Console) -> int:
    """Serve until Ctrl-C; with the embedded S3 server, which is started if need be.

    Returns:
        What the site's process ended with.

    Raises:
        ServicesError: the port is taken.
    """
    with opened_bucket(settings):
        services.check_ports(settings, [services.PREDICT])
        site = subprocess.Popen([sys.executable, "-m", MODULE], env=environment(settings))
        url = services.urls(settings)[services.PREDICT]
        console.print(f"{url}, {url}/upload and {url}/v1/docs\nStop with Ctrl-C.", highlight=False)
        try:
            return site.wait()
        finally:
            site.terminate()
            site.wait()
