"""One at a time, by an object that only one writer can create."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timezone

from twin_matcher_dagster.errors import ObjectExistsError, StorageError
from twin_matcher_dagster.storage.object_store import ObjectStore

# Whoever holds a lock that is older was killed: it is renewed more often than that.
STALE_SECONDS = 30.0
PATIENCE_SECONDS = 90.0


class Lock:
    """A held lock; call :meth:`renew` now and then."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store, self._key = store, key
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Say that the holder still lives."""
        if time.monotonic() - self._renewed > STALE_SECONDS / 4:
            self._store.overwrite(self._key, b"")
            self._renewed = time.monotonic()


@contextmanager
def exclusive(store: ObjectStore, key: str) -> Generator[Lock]:
    """Hold a lock; a holder that was killed is waited for no longer than ``STALE_SECONDS``.

    Raises:
        StorageError: somebody else holds it for long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            store.put_new(key, b"")
            break
        except ObjectExistsError as error:
            if time.monotonic() > deadline:
                raise StorageError("The same is being done by another process. Wait.") from error
            for item in store.items(key):
                age = datetime.now(timezone.utc) - item["LastModified"]
                if age.total_seconds() > STALE_SECONDS:
                    store.delete(key)
            time.sleep(0.1)
    try:
        yield Lock(store, key)
    finally:
        store.delete(key)
