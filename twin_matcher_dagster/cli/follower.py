"""Launch what makes a release, and show what happens until it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from twin_matcher_dagster.cli.display import Display
from twin_matcher_dagster.cli.outlook import Outlook
from twin_matcher_dagster.cli.run_watcher import Watcher
from twin_matcher_dagster.errors import ServicesError

STALLED_SECONDS = 90
QUEUED_SECONDS = 10
"""What a run brings along is queued by then: two ticks of the automation."""
TICK_SECONDS = 1.0


class StalledError(ServicesError):
    """Dagster has nothing to do, and what is waited for is not there."""


class HeldUpError(ServicesError):
    """Nothing can follow any more, and why is known."""


def follow(
    watcher: Watcher,
    display: Display,
    done: Callable[[], bool],
    outlook: Callable[[], Outlook],
    log: Path,
    patience_s: float = STALLED_SECONDS,
) -> None:
    """Show what happens until ``done``.

    Args:
        watcher: of the instance.
        display: where it is shown.
        done: whether it is over.
        outlook: what is to be expected; asked while no run goes on.
        log: of the services, for messages.
        patience_s: how long nothing may happen.

    Raises:
        HeldUpError: nothing can follow any more.
        StalledError: nothing happens for so long, though something should.
        ServicesError: a stage failed.
    """
    quiet_since = time.monotonic()
    while True:
        # Asked first: what failed in that moment counts.
        is_over = done()
        for name, stage in watcher.stages().items():
            display.show(name, stage)
            if stage.status == "failed":
                raise ServicesError(f"{name} failed: {stage.note} The log is {log}.")
        if is_over:
            return
        if watcher.busy():
            quiet_since = time.monotonic()
        _check_outlook(time.monotonic() - quiet_since, outlook, log, patience_s)
        time.sleep(TICK_SECONDS)


def _check_outlook(
    quiet_s: float, outlook: Callable[[], Outlook], log: Path, patience_s: float
) -> None:
    """See that something may still follow, after so many seconds without a run."""
    if quiet_s < min(QUEUED_SECONDS, patience_s):
        return
    found = outlook()
    reasons = " ".join(found.reasons)
    if reasons and not found.follows:
        raise HeldUpError(f"{reasons} The log is {log}.")
    if quiet_s > patience_s:
        raise StalledError(
            f"Nothing happened for {patience_s:.0f} seconds, and the release that is waited for is "
            f"not there. {reasons or 'Nothing else is missing.'} The log is {log}."
        )
