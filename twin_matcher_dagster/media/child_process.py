"""Child processes that decode what strangers hand in: started ahead, and killed at will."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TypeGuard

# What is left to do with what was read, after its last byte, takes about so long.
REFILL_AFTER_S = 0.5
# The most that Linux gives without asking.
_PIPE_BYTES = 2**20


class HandedChild(subprocess.Popen[bytes]):
    """A child that is handed its task, and an open file, over a socket that is its standard input.

    Attributes:
        line: our end of it.
    """

    line: socket.socket


class ChildPool:
    """One child that has started already and waits: starting takes as long as a short clip.

    Args:
        module: of this package, run with ``-m``.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._spare: HandedChild | None = None
        self._owner = 0

    def take(self) -> HandedChild:
        """A fresh child."""
        with self._lock:
            child, self._spare = self._spare, None
            return child if self._usable(child) else _start(self._module)

    def end(self, child: HandedChild) -> None:
        """Kill a child, and start the next one when the processor is free again."""
        child.kill()
        child.wait()
        child.line.close()
        if child.stdout:
            child.stdout.close()
        timer = threading.Timer(REFILL_AFTER_S, self._refill)
        timer.daemon = True
        timer.start()

    def _refill(self) -> None:
        with self._lock:
            if not self._usable(self._spare):
                self._spare, self._owner = _start(self._module), os.getpid()

    def _usable(self, child: HandedChild | None) -> TypeGuard[HandedChild]:
        """Whether it lives, and is ours: after a fork the pipes would be shared with the parent."""
        return child is not None and self._owner == os.getpid() and child.poll() is None


def python_command(module: str) -> list[str]:
    """A child's command line. Packages are handed on rather than found again (-S): looking for them
    is a quarter of the start."""
    return [sys.executable, "-S", "-m", module]


def child_environment() -> dict[str, str]:
    """A child's environment. It is not handed ours: it has no use for credentials."""
    kept = ("PATH", "LANG", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    packages = [str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PYTHONPATH": os.pathsep.join(packages),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def start_child(module: str, stdout: int) -> HandedChild:
    """Start a child with a line to it as its standard input.

    Args:
        module: of this package, run with ``-m``.
        stdout: as ``subprocess.Popen`` takes it.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        child = HandedChild(
            python_command(module),
            stdin=theirs.fileno(),
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=child_environment(),
            close_fds=True,
        )
    child.line = ours
    return child


def _start(module: str) -> HandedChild:
    child = start_child(module, subprocess.PIPE)
    # Room for a frame, where the system allows it: the child decodes the next one meanwhile.
    if child.stdout and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return child
