"""Write-once, numbered manifests: the history, the lock and the head of everything that changes.

A log is a folder of small JSON objects, named so that the newest is listed first: finding the head
takes one request, however long the history is. A writer takes the next number with a conditional
write, so two writers at once both succeed, in some order. Nothing is ever overwritten but by an
erasure, which takes a person out of the history too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twin_matcher_dagster.errors import ObjectExistsError
from twin_matcher_dagster.storage.object_store import ObjectStore

_NAME = re.compile(r"\d{8}\.json")
_LAST = 99_999_999
# Keys that are asked for where one is wanted: there may be objects of somebody else among them.
_FEW = 8


@dataclass(frozen=True)
class Manifest:
    """One entry of a log.

    Attributes:
        number: position in the log, from 1.
        key: where it is in the bucket.
        body: what it says; ``body["fingerprint"]`` identifies the content it stands for.
    """

    number: int
    key: str
    body: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Identity of the content: equal fingerprints mean equal content."""
        return str(self.body["fingerprint"])


class ManifestLog:
    """The numbered manifests under one name in a store."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self._prefix = f"{name}/"

    def key(self, number: int) -> str:
        """Key of one entry: of fixed width and counted down, so that the newest is listed first."""
        return f"{self._prefix}{_LAST - number:08d}.json"

    def read(self, number: int) -> Manifest:
        """Read one entry.

        Raises:
            ObjectMissingError: there is no such number, or not any more.
        """
        key = self.key(number)
        return Manifest(number, key, json.loads(self._store.get(key)))

    def numbers(self, page_size: int | None = None) -> Iterator[int]:
        """Numbers of all entries, the newest first."""
        for key in self._store.list(self._prefix, page_size=page_size):
            name = key.removeprefix(self._prefix)
            if _NAME.fullmatch(name):  # somebody else's object is not an entry
                yield number_of(key)

    def head_number(self) -> int:
        """Number of the newest entry, 0 for an empty log."""
        return next(self.numbers(_FEW), 0)

    def head(self) -> Manifest | None:
        """The newest entry, if there is one."""
        number = self.head_number()
        return self.read(number) if number else None

    def update(self, make: Callable[[Manifest | None], Mapping[str, Any]]) -> Manifest:
        """Add the entry that follows from the newest one, and return the new head.

        Args:
            make: from the newest entry, if there is one, to the body of the next; called again
                where another writer was faster. A body with the newest one's fingerprint adds
                nothing.
        """
        while True:
            head = self.head()
            body = make(head)
            if head is not None and head.fingerprint == body["fingerprint"]:
                return head
            number = head.number + 1 if head else 1
            data = encode(body)
            if self._take(number, data):
                return Manifest(number, self.key(number), json.loads(data))

    def append(self, body: Mapping[str, Any]) -> Manifest:
        """Add an entry after all others and return it.

        Args:
            body: JSON-serializable, with a ``fingerprint``.
        """
        data = encode(body)
        number = self.head_number() + 1
        while not self._take(number, data):
            number += 1
        return Manifest(number, self.key(number), json.loads(data))

    def rewrite(self, number: int, body: Mapping[str, Any]) -> None:
        """Put other words in the place of an entry. For erasure alone: history is history."""
        self._store.overwrite(self.key(number), encode(body), "application/json")

    def delete(self, number: int) -> None:
        """Forget an entry; if it was the newest, the next one takes its number again."""
        self._store.delete(self.key(number))

    def _take(self, number: int, data: bytes) -> bool:
        """Write an entry under a number; False if another writer was faster."""
        try:
            # Bytes that are there already are ours when only the answer to a first try was lost.
            self._store.put_same(self.key(number), data, "application/json")
        except ObjectExistsError:
            return False
        return True


def number_of(key: str) -> int:
    """The number of the entry with a key."""
    return _LAST - int(key[-13:-5])


def encode(body: Mapping[str, Any]) -> bytes:
    """A manifest's bytes; equal bodies give equal bytes."""
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode()
