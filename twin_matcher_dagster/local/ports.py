"""Ports that are held from the moment they are chosen.

A port that was free when it was looked at may be taken when it is used. So whoever chooses one
here locks a file that stands for it, for as long as the process, or what it became, lives; others
choose another. The ranges lie below those from which systems hand out ports by themselves (32768
and up on Linux, 49152 and up on macOS), and apart from one another.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from twin_matcher_dagster.errors import ServicesError

INNER = range(11_000, 13_000)
"""Of the embedded S3 server's own components; their gRPC ports are ``GRPC_DISTANCE`` further up."""

GRPC_DISTANCE = 10_000
"""SeaweedFS finds the gRPC port of a component at this distance from its HTTP port."""

FREE = range(14_000, 18_000)
"""Of services for which nobody chose a port."""


class HeldPorts:
    """Ports that nobody else is given; let go by :meth:`release`, or when the process ends.

    Attributes:
        numbers: the ports.
    """

    def __init__(
        self, count: int, among: range = FREE, distance: int = 0, avoid: Collection[int] = ()
    ) -> None:
        """Choose and hold.

        Args:
            count: how many.
            among: from which range.
            distance: the port so much further up has to be free as well, if not 0.
            avoid: ports that are meant for something else.

        Raises:
            ServicesError: there are not so many.
        """
        self.numbers: list[int] = []
        self._locks: list[int] = []
        for number in random.SystemRandom().sample(among, len(among)):
            if len(self.numbers) == count:
                break
            pair = {number, number + distance}
            if pair.isdisjoint(avoid) and (lock := _locked(number)) is not None:
                if all(map(is_free, pair)):
                    self.numbers.append(number)
                    self._locks.append(lock)
                else:
                    os.close(lock)
        if len(self.numbers) < count:
            self.release()
            raise ServicesError(
                f"There are no {count} free ports from {among.start} to {among.stop - 1}. Stop "
                "what uses them."
            )

    def hand_on(self) -> None:
        """Keep the ports held when this process becomes another program (``exec``)."""
        for lock in self._locks:
            os.set_inheritable(lock, True)

    def release(self) -> None:
        """Let go; what listens on them by now keeps others away by itself."""
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a service could listen on a port."""
    with socket.socket() as probe:
        # What has just closed a connection is no hindrance, for a service neither.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError, OverflowError):
            probe.bind((host, port))
            return True
    return False


def temporary_folder(purpose: str) -> Path:
    """A folder among the system's temporary ones for this user alone; made if need be.

    Raises:
        ServicesError: it is somebody else's.
    """
    folder = Path(tempfile.gettempdir(), f"twin-matcher-{purpose}-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ServicesError(f"{folder} is somebody else's. Delete it, or set TMPDIR.")
    return folder


def _locked(port: int) -> int | None:
    """A descriptor that locks the file of a port; None where somebody else does."""
    lock = os.open(temporary_folder("ports") / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
