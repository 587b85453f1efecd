"""Launch what makes a release, and show what happens until it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from twin_matcher_dagster.cli.display import Display
from twin_matcher_dagster.cli.run_watcher import Watcher
from twin_matcher_dagster.errors import ServicesError

STALLED_SECONDS = 90
TICK_SECONDS = 1.0


class StalledError(ServicesError):
    """Dagster has nothing to do, and what is waited for is not there."""


def follow(
    watcher: Watcher,
    display: Display,
    done: Callable[[], bool],
    log: Path,
    patience_s: float = STALLED_SECONDS,
) -> None:
    """Show what happens until ``done``.

    Args:
        watcher: of the instance.
        display: where it is shown.
        done: whether it is over.
        log: of the services, for messages.
        patience_s: how long nothing may happen.

    Raises:
        StalledError: nothing happens any more.
        ServicesError: a stage failed.
    """
    quiet_since = time.monotonic()
    while not done():
        for name, stage in watcher.stages().items():
            display.show(name, stage)
            if stage.status == "failed":
                raise ServicesError(f"{name} failed: {stage.note} The log is {log}.")
        if watcher.busy():
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > patience_s:
            raise StalledError(
                f"Nothing happened for {patience_s:.0f} seconds, and the release that is waited "
                f"for is not there. The log is {log}."
            )
        time.sleep(TICK_SECONDS)
    for name, stage in watcher.stages().items():
        display.show(name, stage)
