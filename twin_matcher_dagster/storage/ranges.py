"""A large object of which little is needed at a time: its bytes by their places."""

from __future__ import annotations

from twin_matcher_dagster.storage.answers import explained
from twin_matcher_dagster.storage.object_store import ObjectStore

# What is read at once, in the hope that it is enough to know what else is wanted.
_BEGINNING = 65_536


class RangedObject:
    """An object as bytes, of which a slice asks the bucket for as much.

    Args:
        store: the bucket.
        key: of an object that is not empty and is never replaced.

    Attributes:
        size: in bytes.

    Raises:
        ObjectMissingError: on construction; there is none.
        StorageError: the bucket cannot be asked.
    """

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store, self._key = store, key
        self._known, told = self._ask(0, _BEGINNING)
        # A server may send the whole of a small object, without a range.
        self.size = int(told.rpartition("/")[2]) if told else len(self._known)

    def through(self, store: ObjectStore) -> RangedObject:
        """The same object, asked of the same bucket by other means."""
        other = RangedObject.__new__(RangedObject)
        other._store, other._key = store, self._key
        other._known, other.size = self._known, self.size
        return other

    def __getitem__(self, wanted: slice) -> bytes:
        """Bytes from one place to before another one, neither below 0.

        Raises:
            StorageError: the bucket cannot be asked.
        """
        start, end = wanted.start or 0, min(self.size, wanted.stop)
        if end <= len(self._known):
            return self._known[start:end]
        return self._ask(start, end)[0] if start < end else b""

    def _ask(self, start: int, end: int) -> tuple[bytes, str]:
        with explained(self._store.bucket, self._key):
            answer = self._store.client.get_object(
                Bucket=self._store.bucket, Key=self._key, Range=f"bytes={start}-{end - 1}"
            )
            return answer["Body"].read(), answer.get("ContentRange", "")
