"""Start and stop the services of the Procfile with honcho, and leave nothing behind."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from twin_matcher_dagster.errors import RunsAlreadyError, ServicesError
from twin_matcher_dagster.local.environment import CHILD_MARK, PAGES_FOLDER, state_folder
from twin_matcher_dagster.local.ports import is_free
from twin_matcher_dagster.settings import Settings, command

S3 = "s3"
DAGSTER = "dagster"
UPLOAD = "upload"
PREDICT = "predict"
STOP_SECONDS = 20
PROCFILE = Path(__file__).with_name("Procfile")


def names(settings: Settings) -> list[str]:
    """All services of `twin-matcher up`; with a bucket of one's own there is no embedded S3."""
    return [S3, DAGSTER, UPLOAD, PREDICT] if settings.embedded else [DAGSTER, UPLOAD, PREDICT]


def urls(settings: Settings) -> dict[str, str]:
    """Where each service is."""
    shown = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104
    return {
        DAGSTER: f"http://{shown}:{settings.dagster_port}",
        UPLOAD: f"http://{shown}:{settings.upload_port}",
        PREDICT: f"http://{shown}:{settings.predict_port}",
        S3: f"http://127.0.0.1:{settings.s3_port}",
    }


@contextmanager
def exclusive_home(settings: Settings) -> Generator[Path]:
    """Hold the state folder alone, and clear away what a killed predecessor left running.

    Raises:
        RunsAlreadyError: another process of this installation runs.
    """
    home = state_folder(settings)
    with (home / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunsAlreadyError(
                f"Twin Matcher runs already with the state in {home}. Stop it with Ctrl-C where "
                "it runs, or set TWIN_MATCHER_HOME to another folder."
            ) from error
        stop_leftovers(home)
        forget_visitors(home)
        try:
            yield home
        finally:
            stop_leftovers(home)
            forget_visitors(home)


def forget_visitors(home: Path) -> None:
    """Delete the photos and clips that pages, stopped by now, had in their temporary folder."""
    shutil.rmtree(home / PAGES_FOLDER, ignore_errors=True)


def ports(settings: Settings) -> dict[str, int]:
    """The port of each service."""
    return {
        S3: settings.s3_port,
        DAGSTER: settings.dagster_port,
        UPLOAD: settings.upload_port,
        PREDICT: settings.predict_port,
    }


def check_ports(settings: Settings, services: Sequence[str]) -> None:
    """See that every port is free.

    Raises:
        ServicesError: one is taken; it names the variable to set.
    """
    wanted = ports(settings)
    for service in services:
        port = wanted[service]
        if not is_free(port, settings.host if service != S3 else "127.0.0.1"):
            raise ServicesError(
                f"Port {port}, wanted for {service}, is taken. Stop what uses it, or choose "
                f"another one: {service.upper()}_PORT={port + 1000} {command('up')}"
            )


@contextmanager
def running(
    services: Sequence[str], variables: Mapping[str, str], log: Path
) -> Generator[subprocess.Popen[bytes]]:
    """Run services for as long as the block lasts.

    Args:
        services: names in the Procfile.
        variables: their environment.
        log: file for their output.

    Yields:
        The honcho process: it ends when any of them ends.
    """
    honcho_command = [sys.executable, "-m", "honcho", "start", "-f", str(PROCFILE), *services]
    with log.open("ab") as output:
        honcho = subprocess.Popen(
            honcho_command,
            cwd=variables["TWIN_MATCHER_HOME"],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C goes to this process alone, which then stops the others in order.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
        try:
            yield honcho
        finally:
            stop(honcho)


def stop(honcho: subprocess.Popen[bytes]) -> None:
    """Stop honcho and every process under it; when this returns, their ports are free.

    Honcho asks whole groups of processes to end, runs of Dagster among them. What does not end is
    killed, and so is what honcho leaves behind.
    """
    family: list[psutil.Process] = []
    with suppress(psutil.Error):
        process = psutil.Process(honcho.pid)
        family = [process, *process.children(recursive=True)]
    honcho.terminate()
    _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    honcho.wait()


def _die_with_parent() -> None:
    """Ask Linux to stop this process when its parent is killed, however hard."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def stop_leftovers(home: Path) -> int:
    """Stop every process that was started for this state folder, except our own line.

    Returns:
        How many there were.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid not in own and process.environ().get(CHILD_MARK) == str(home):
                left.append(process)
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=8)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(left)


def wait_for_page(url: str, honcho: subprocess.Popen[bytes], timeout_s: float = 120) -> None:
    """Wait until a page answers.

    Raises:
        ServicesError: a service ended, or the page does not answer in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310
            return
        if honcho.poll() is not None:
            raise ServicesError("A service ended while it was starting. Look at the log.")
        if time.monotonic() > deadline:
            raise ServicesError(f"{url} did not answer within {timeout_s:.0f} seconds.")
        time.sleep(0.3)
