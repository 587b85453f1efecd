"""A bucket in memory, which answers as one of S3 does, but to requests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from twin_matcher_dagster.backup.record import Backup
from twin_matcher_dagster.backup.stored_bucket import StoredBucket
from twin_matcher_dagster.errors import BackupError


class MemoryPlace:
    """A place that counts what is written.

    Attributes:
        files: by name.
        writes: names in the order in which they were written.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.writes: list[str] = []

    def names(self, folder: str) -> Iterator[str]:
        yield from sorted(name for name in self.files if name.startswith(f"{folder}/"))

    def read(self, name: str) -> bytes:
        try:
            return self.files[name]
        except KeyError:
            raise BackupError(f"{name} is missing.") from None

    def write(self, name: str, data: bytes) -> None:
        self.files[name] = data
        self.writes.append(name)

    def delete(self, name: str) -> None:
        self.files.pop(name, None)

    @contextmanager
    def alone(self) -> Generator[Callable[[], None]]:
        yield lambda: None


def memory_bucket() -> StoredBucket:
    """An empty bucket in memory."""
    return StoredBucket(MemoryPlace(), Backup("memory", "a bucket", {}))
