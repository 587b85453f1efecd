"""One service that is kept running: its process, its question, and what happened to it."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from twin_matcher_dagster.local.health import NoRoomError, Question, SilentError, UnknownError
from twin_matcher_dagster.local.leftovers import SERVICE_MARK, stop_leftovers
from twin_matcher_dagster.local.service_log import ServiceLog


@dataclass(frozen=True)
class Service:
    """What is kept running.

    Attributes:
        name: one word.
        command: the arguments of its process.
        question: whether it answers.
        needs: services that answer before it is started, and are stopped after it.
        withheld: variables that it is not given: other services' secrets.
    """

    name: str
    command: Sequence[str]
    question: Question
    needs: frozenset[str] = frozenset()
    withheld: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Patience:
    """How long what is waited for, in seconds.

    Attributes:
        asked_every: a service that answers is asked again after so long.
        silent: one that does not answer is started again after so long.
        starting: likewise one that has not answered yet, if it does not use a second of a core
            meanwhile: a busy machine is given its time.
        stopping: what does not end so long after it was asked to is killed.
        restart: the first pause before a further start; each is twice as long as the one before.
        longest_restart: the longest one. Who has answered for so long starts with the first again.
    """

    asked_every: float = 10
    silent: float = 60
    starting: float = 120
    stopping: float = 10
    restart: float = 1
    longest_restart: float = 60

    def pause_between(self, answered: bool) -> float:
        """The pause between two questions. Others wait for a service that starts."""
        return self.asked_every if answered else min(self.asked_every, 1.0)

    def pause_before_start(self, failures: int) -> float:
        """The pause before a further start, after so many failures in a row (1 or more)."""
        return min(self.longest_restart, self.restart * 2 ** min(failures - 1, 16))


_LOOK_SECONDS = 0.25
PROGRESS_CPU_SECONDS = 1.0


class KeptService:
    """Runs one service, in a thread of its own.

    Args:
        service: what to run.
        variables: environment of the process.
        home: where it runs.
        log: takes what it prints.
        report: tells what is done with it.
        stopping: ends everything.
        patience: how long what is waited for.

    Attributes:
        service: what is run.
        ready: set once it has answered for the first time.
        failures: how often in a row it failed.
    """

    def __init__(
        self,
        service: Service,
        variables: Mapping[str, str],
        home: Path,
        log: ServiceLog,
        report: Callable[[str], None],
        stopping: threading.Event,
        patience: Patience,
    ) -> None:
        self.service = service
        self.ready = threading.Event()
        self.failures = 0
        given = {name: variables[name] for name in variables.keys() - service.withheld}
        self._variables = {**given, SERVICE_MARK: service.name}
        self._home = home
        self._log = log
        self._report = report
        self._stopping = stopping
        self._patience = patience
        self._trouble = ""  # what was reported and still holds
        self._process: subprocess.Popen[bytes] | None = None
        self._start_lock = threading.Lock()

    def hold(self) -> None:
        """Return when no further process will be started; ``stopping`` is set before."""
        with self._start_lock:
            pass

    def reap(self) -> None:
        """Take note that the process has ended, its last thread too: its port is free then."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)

    def keep(self) -> None:
        """Run the service until everything is stopped."""
        while not self._stopping.is_set():
            trouble = self._run()
            if self._stopping.is_set():
                return
            # What it started goes with it: runs that nobody would follow, and who has its port.
            # Killed, so that a run is not noted as failed now: while the code server is away,
            # Dagster tries to start it again once, in vain.
            stop_leftovers(self._home, [self.service.name], patience_s=0)
            self.failures += 1
            pause = self._patience.pause_before_start(self.failures)
            self._say(f"{trouble}; it is started again in {pause:g} s")
            self._stopping.wait(pause)

    def _run(self) -> str:
        """Start the process, and watch it until something is wrong: what."""
        try:
            process = self._start()
        except OSError as error:
            return f"could not be started: {error}"
        return self._watch(process) if process else ""

    def _start(self) -> subprocess.Popen[bytes] | None:
        with self._start_lock:
            if self._stopping.is_set():
                return None
            process = self._process = subprocess.Popen(
                self.service.command,
                cwd=self._home,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Ctrl-C goes to the supervisor alone, which then stops the others in order.
                start_new_session=True,
            )
        if process.stdout:
            self._log.follow(self.service.name, process.stdout)
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> str:
        """Ask until the process ends, or does not answer for too long: what is wrong."""
        started = time.time()
        heard = asked = time.monotonic()
        first_answer = None
        effort = _Effort(process.pid)
        while not self._stopping.wait(_LOOK_SECONDS):
            if process.poll() is not None:
                return _how_it_ended(process.returncode)
            pause = self._patience.pause_between(first_answer is not None)
            if time.monotonic() - asked < pause:
                continue
            trouble = self._ask(started)
            asked = time.monotonic()
            if trouble is None or (trouble and not first_answer and effort.grew()):
                heard = asked
            elif not trouble:
                heard, first_answer = asked, first_answer or asked
                self._note_answer(asked - first_answer)
            limit = self._patience.silent if first_answer else self._patience.starting
            if asked - heard > limit:
                return f"{trouble} for {asked - heard:.0f} s"
        return ""

    def _ask(self, started: float) -> str | None:
        """What is wrong with the service; nothing if it answers, None if nobody can tell."""
        try:
            self.service.question(started)
        except UnknownError:
            return None
        except NoRoomError as error:
            self._say(str(error))
            return None
        except SilentError as error:
            return str(error)
        except Exception as error:  # whatever came instead of an answer is none
            if self.ready.is_set():
                self._log.write(self.service.name, f"did not answer: {type(error).__name__}")
            return "does not answer"
        return ""

    def _note_answer(self, answering_s: float) -> None:
        if self._trouble:
            self._say("answers again")
            self._trouble = ""
        if answering_s >= self._patience.longest_restart:
            self.failures = 0
        self.ready.set()

    def _say(self, trouble: str) -> None:
        """Report what is wrong, once."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._report(f"{self.service.name} {trouble}.")


class _Effort:
    """Whether a process and its children do anything."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen = 0.0

    def grew(self) -> bool:
        """Whether they used another second of a core since this was last so."""
        used = 0.0
        with suppress(psutil.Error):
            process = psutil.Process(self._pid)
            for each in [process, *process.children(recursive=True)]:
                with suppress(psutil.Error):
                    times = each.cpu_times()
                    used += times.user + times.system
        grew = used - self._seen >= PROGRESS_CPU_SECONDS
        if grew or used < self._seen:  # a child that ended takes its share along
            self._seen = used
        return grew


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with status {code}"
