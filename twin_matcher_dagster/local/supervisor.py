"""Keeps services running: asks each whether it answers, and starts again the one that does not.

Each service has a thread that starts its process, asks its question, and starts it again. None
ends another one, and none gives up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local.health import ANSWER_SECONDS
from twin_matcher_dagster.local.kept_service import KeptService, Patience, Service
from twin_matcher_dagster.local.leftovers import stop_leftovers
from twin_matcher_dagster.local.service_log import ServiceLog

START_TRIES = 5
"""A service that never answered and failed so often cannot run as it is set up."""

_LOOK_SECONDS = 0.25


class Supervisor:
    """Runs services until it is stopped.

    Args:
        services: what to run.
        variables: environment of the processes, marked as one installation's.
        home: its state folder, where they run.
        log: file for what they print, and for what is done with them.
        say: tells a person what is done with them, one sentence a call.
        patience: how long what is waited for.
    """

    def __init__(
        self,
        services: Sequence[Service],
        variables: Mapping[str, str],
        home: Path,
        log: Path,
        say: Callable[[str], None],
        patience: Patience,
    ) -> None:
        self._home = home
        self._log = ServiceLog(log)
        self._say = say
        self._patience = patience
        self._stopping = threading.Event()
        self._broken: Exception | None = None
        self._kept = {
            service.name: KeptService(
                service, variables, home, self._log, self._report, self._stopping, patience
            )
            for service in services
        }
        self._threads = [
            threading.Thread(target=self._keep, args=(kept,), daemon=True)
            for kept in self._kept.values()
        ]

    def start(self) -> None:
        """Start the services, each as soon as those that it needs answer."""
        for thread in self._threads:
            thread.start()

    def wait_until_ready(self) -> None:
        """Wait until each service has answered, for as long as it takes.

        Raises:
            ServicesError: one fails again and again while it starts.
        """
        for kept in self._kept.values():
            while not kept.ready.wait(_LOOK_SECONDS):
                self._raise_if_hopeless()

    def wait(self) -> None:
        """Stay until this thread is interrupted."""
        while not self._stopping.wait(_LOOK_SECONDS):
            self._raise_if_broken()

    def stop(self) -> None:
        """Stop every process, those that others need last; when this returns, ports are free."""
        self._stopping.set()
        for kept in self._kept.values():
            kept.hold()
        left = {name: kept.service for name, kept in self._kept.items()}
        while left:
            needed = {name for service in left.values() for name in service.needs}
            wave = [name for name in left if name not in needed]
            stop_leftovers(self._home, wave, self._patience.stopping)
            for name in wave:
                del left[name]
        for thread in self._threads:
            thread.join(ANSWER_SECONDS)
        for kept in self._kept.values():
            kept.reap()
        self._log.close()

    def _keep(self, kept: KeptService) -> None:
        """Run one service until everything is stopped."""
        try:
            for name in kept.service.needs & self._kept.keys():
                while not self._kept[name].ready.wait(_LOOK_SECONDS):
                    if self._stopping.is_set():
                        return
            kept.keep()
        except Exception as error:
            # Nobody watches the service any more; whoever keeps this process starts it again.
            self._broken = error

    def _raise_if_broken(self) -> None:
        if self._broken:
            raise self._broken

    def _raise_if_hopeless(self) -> None:
        self._raise_if_broken()
        for name, kept in self._kept.items():
            if not kept.ready.is_set() and kept.failures >= START_TRIES:
                raise ServicesError(
                    f"{name} could not be started, {START_TRIES} times. The last that it said: "
                    f"{self._log.last_of(name)!r}. Look at {self._log.path}."
                )

    def _report(self, sentence: str) -> None:
        self._log.write("up", sentence)
        self._say(sentence)
