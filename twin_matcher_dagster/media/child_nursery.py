"""Child processes for what strangers hand in, forked from one that has loaded all they need.

To start Python with the libraries of photos takes as long as to detect and embed a face; to fork
takes a twentieth of that. The mother reads nothing of strangers: each request still has a process
of its own, which is killed when the request ends, and sees nobody else's photos.

The mother is told by single letters, over a socket that ends when this process does:

    F and two descriptors     fork; the child reads from the one and writes to the other
    K number                  kill that child
    W number                  how it ended: its status, or that it has not
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from twin_matcher_dagster.media.child_process import start_child

_ORDER, _ANSWER = struct.Struct("<cI"), struct.Struct("<i")
_RUNNING = -(2**31)
_LOOK_EVERY_S = 0.005


class ForkedChild:
    """A process that serves one request.

    Attributes:
        pid: its number.
        stdin, stdout: pipes to it and from it.
    """

    def __init__(self, nursery: ChildNursery, pid: int, to_it: int, from_it: int) -> None:
        self._nursery, self.pid = nursery, pid
        self.stdin: BinaryIO = os.fdopen(to_it, "wb")
        self.stdout: BinaryIO = os.fdopen(from_it, "rb")
        self._code: int | None = None

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._code is None:
            self._nursery.order(b"K", self.pid)

    def wait(self) -> int:
        """Wait for its end: its exit status; of a signal, the number below 0."""
        while self._code is None:
            status = self._nursery.order(b"W", self.pid)
            if status == _RUNNING:
                time.sleep(_LOOK_EVERY_S)
            else:
                self._code = status
        return self._code


class ChildNursery:
    """Forks children of a module that calls :func:`serve_forks`.

    Args:
        module: of this package, run with ``-m``.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._mother: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._owner = 0

    def take(self) -> ForkedChild:
        """A fresh child.

        Raises:
            OSError: none can be started.
        """
        theirs_in, to_it = os.pipe()
        from_it, theirs_out = os.pipe()
        try:
            pid = self.order(b"F", 0, (theirs_in, theirs_out))
        except OSError:
            os.close(to_it)
            os.close(from_it)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        return ForkedChild(self, pid, to_it, from_it)

    def end(self, child: ForkedChild) -> None:
        """Kill a child, and forget it."""
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):  # what was not sent is not wanted any more
                pipe.close()

    def order(self, what: bytes, number: int, handed: tuple[int, ...] = ()) -> int:
        """Have the mother do something; what she answers.

        A mother that has ended takes her children with her; another one is started for the next.
        """
        with self._lock:
            for _ in range(2):
                line = self._open_line()
                try:
                    socket.send_fds(line, [_ORDER.pack(what, number)], handed)
                    answer = line.recv(_ANSWER.size, socket.MSG_WAITALL)
                except OSError:
                    answer = b""
                if len(answer) == _ANSWER.size:
                    return _ANSWER.unpack(answer)[0]
                self._close_line()
                if what != b"F":
                    return -signal.SIGKILL
        raise OSError("No process can be started.")

    def _open_line(self) -> socket.socket:
        # After a fork the line would be shared with the parent.
        if self._line is None or self._owner != os.getpid():
            self._mother = start_child(self._module, subprocess.DEVNULL)
            self._line, self._owner = self._mother.line, os.getpid()
        return self._line

    def _close_line(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._mother is not None:
            self._mother.kill()
            self._mother.wait()
        self._line, self._mother = None, None


def serve_forks(work: Callable[[], None]) -> None:
    """Fork a child at each order, until whoever orders is gone; then no child is left.

    Args:
        work: what a child does, with its standard input and output.
    """
    line = socket.socket(fileno=os.dup(0))
    children: set[int] = set()
    while True:
        data, handed, _, _ = socket.recv_fds(line, _ORDER.size, 2)
        if len(data) < _ORDER.size:
            break
        what, number = _ORDER.unpack(data)
        if what == b"F":
            answer = _fork(line, handed, work)
            children.add(answer)
        elif number not in children:
            answer = -signal.SIGKILL
        elif what == b"K":
            # It cannot be somebody else by now: nobody but us waits for it.
            answer = 0
            os.kill(number, signal.SIGKILL)
        else:
            ended, status = os.waitpid(number, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else _RUNNING
            if ended:
                children.remove(number)
        line.sendall(_ANSWER.pack(answer))
    for child in children:
        os.kill(child, signal.SIGKILL)


def _fork(line: socket.socket, handed: list[int], work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        for descriptor in handed:
            os.close(descriptor)
        return child
    code = 1
    try:
        # A child knows nothing of the line: it can order nothing.
        line.close()
        os.dup2(handed[0], 0)
        os.dup2(handed[1], 1)
        os.closerange(3, max(handed) + 1)
        work()
        code = 0
    finally:
        os._exit(code)
