"""Write-once, numbered manifests: the history, the lock and the head of everything that changes.

A log is a folder of small JSON objects ``<name>/00000001.json``, ``00000002.json``, ... The newest
number is the head. A writer takes the next number with a conditional write, so two writers at once
both succeed, in some order, and nothing is ever overwritten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twin_matcher_dagster.errors import ObjectExistsError
from twin_matcher_dagster.storage.object_store import ObjectStore

_NAME = re.compile(r"\d{8}\.json")


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
        """Key of one entry; fixed width, so that the listing is in order of number."""
        return f"{self._prefix}{number:08d}.json"

    def read(self, number: int) -> Manifest:
        """Read one entry.

        Raises:
            ObjectMissingError: there is no such number.
        """
        key = self.key(number)
        return Manifest(number, key, json.loads(self._store.get(key)))

    def head_number(self) -> int:
        """Number of the newest entry, 0 for an empty log."""
        last = 0
        for key in self._store.list(self._prefix):
            name = key.removeprefix(self._prefix)
            if _NAME.fullmatch(name):  # somebody else's object is not an entry
                last = max(last, int(name[:8]))
        return last

    def head(self) -> Manifest | None:
        """The newest entry, if there is one."""
        number = self.head_number()
        return self.read(number) if number else None

    def append(self, body: Mapping[str, Any]) -> Manifest:
        """Add an entry after all others and return it.

        Args:
            body: JSON-serializable, with a ``fingerprint``.
        """
        data = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode()
        number = self.head_number() + 1
        while not self._take(number, data):
            number += 1
        return Manifest(number, self.key(number), json.loads(data))

    def _take(self, number: int, data: bytes) -> bool:
        """Write an entry under a number; False if another writer was faster."""
        try:
            # Bytes that are there already are ours when only the answer to a first try was lost.
            self._store.put_same(self.key(number), data, "application/json")
        except ObjectExistsError:
            return False
        return True
