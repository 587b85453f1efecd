"""Write-once, numbered manifests: the history, the lock and the head of everything that changes.

A log is a folder of small JSON objects, named so that the newest is listed first: finding the head
takes one request, however long the history is. A writer takes the next number with a conditional
write, so two writers at once both succeed, in some order. Nothing is ever overwritten but by an
erasure, which takes a person out of the history too.

An empty object is no entry: it closes a number, so that a writer whose lease was taken over can
write there no more (:mod:`~.storage.lease`). It stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from twin_matcher_dagster.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    RecordError,
    TwinMatcherError,
)
from twin_matcher_dagster.storage.encoding import encode, parse_json
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import REPAIR, Record

_R_co = TypeVar("_R_co", bound=Record, covariant=True)
_R = TypeVar("_R", bound=Record)

_NAME = re.compile(r"\d{8}\.json")
_LAST = 99_999_999
# Keys that are asked for where one is wanted: there may be objects of somebody else among them.
_FEW = 8


@dataclass(frozen=True)
class Manifest(Generic[_R_co]):
    """One entry of a log.

    Attributes:
        number: position in the log, from 1.
        key: where it is in the bucket.
        record: what it says.
        etag: of its bytes; empty where it was not read.
    """

    number: int
    key: str
    record: _R_co
    etag: str = field(default="", compare=False)

    @property
    def fingerprint(self) -> str:
        """Identity of the content: equal fingerprints mean equal content."""
        return self.record.fingerprint


@dataclass(frozen=True)
class HeadEntry:
    """The newest entry of a log, which is not read.

    Attributes:
        number: position in the log, from 1.
        written: when, by the store's clock.
        etag: of what it says; an entry that an erasure rewrote has another one.
    """

    number: int
    written: datetime
    etag: str


class ManifestLog(Generic[_R]):
    """The numbered manifests under one name in a store; see :mod:`~.storage.logs`.

    Args:
        store: the bucket.
        name: what its keys begin with.
        read: from a body to the record.
        asset: what makes an entry, for messages.
    """

    def __init__(
        self, store: ObjectStore, name: str, read: Callable[[Mapping[str, Any]], _R], asset: str
    ) -> None:
        self._store = store
        self._prefix = f"{name}/"
        self._read = read
        self._asset = asset

    def key(self, number: int) -> str:
        """Key of one entry: of fixed width and counted down, so that the newest is listed first."""
        return f"{self._prefix}{_LAST - number:08d}.json"

    def read(self, number: int) -> Manifest[_R]:
        """Read one entry.

        Raises:
            ObjectMissingError: there is no such number, or not any more.
            RecordError: it is not what this version can read.
        """
        found = self._store.read(self.key(number))
        return self._entry(number, found.body, found.etag)

    def numbers(self, page_size: int | None = None) -> Iterator[int]:
        """Numbers of all entries, the newest first."""
        for item in self._items(page_size):
            yield number_of(item["Key"])

    def _slots(self, page_size: int | None) -> Iterator[dict[str, Any]]:
        """What a listing says of all numbers that are taken, the newest first."""
        for item in self._store.items(self._prefix, page_size=page_size):
            # Somebody else's object is not an entry.
            if _NAME.fullmatch(item["Key"].removeprefix(self._prefix)):
                yield item

    def _items(self, page_size: int | None) -> Iterator[dict[str, Any]]:
        """What a listing says of all entries, the newest first."""
        return (item for item in self._slots(page_size) if item["Size"])

    def _newest(self) -> tuple[int, int]:
        """Number of the newest entry, 0 for none, and the next one that is free."""
        free = 0
        for item in self._slots(_FEW):
            free = free or number_of(item["Key"]) + 1
            if item["Size"]:
                return number_of(item["Key"]), free
        return 0, free or 1

    def entries(self) -> Iterator[Manifest[_R]]:
        """All entries, the newest first."""
        for number in list(self.numbers()):
            yield self.read(number)

    def head_number(self) -> int:
        """Number of the newest entry, 0 for an empty log."""
        return next(self.numbers(_FEW), 0)

    def head_entry(self) -> HeadEntry | None:
        """The newest entry, without reading it: one request."""
        for item in self._items(_FEW):
            return HeadEntry(number_of(item["Key"]), item["LastModified"], item["ETag"])
        return None

    def head(self) -> Manifest[_R] | None:
        """The newest entry, if there is one."""
        number = self.head_number()
        return self.read(number) if number else None

    def existing_head(self) -> Manifest[_R]:
        """The newest entry.

        Raises:
            TwinMatcherError: there is none yet.
        """
        head = self.head()
        if head is None:
            raise TwinMatcherError(
                f"There is no {self._asset} in this bucket yet: materialize it first."
            )
        return head

    def update(
        self,
        make: Callable[[Manifest[_R] | None], _R],
        reserve: Callable[[str], None] = lambda key: None,
    ) -> Manifest[_R]:
        """Add the entry that follows from the newest one, and return the new head.

        Args:
            make: from the newest entry, if there is one, to the next record; called again where
                another writer was faster. A record with the newest one's fingerprint adds nothing.
            reserve: called with the key that will be written, before each call of ``make``; see
                :meth:`~.lease.Lease.reserve`.
        """
        while True:
            newest, number = self._newest()
            reserve(self.key(number))
            head = self.read(newest) if newest else None
            record = make(head)
            if head is not None and head.fingerprint == record.fingerprint:
                return head
            if entry := self._take(number, record):
                return entry

    def commit(self, record: _R) -> Manifest[_R]:
        """Add a record, unless the newest one stands for the same content."""
        return self.update(lambda head: record)

    def append(self, record: _R) -> Manifest[_R]:
        """Add an entry after all others and return it."""
        _, number = self._newest()
        while not (entry := self._take(number, record)):
            number += 1
        return entry

    def rewrite(self, number: int, change: Callable[[_R], _R | None]) -> bool:
        """Put other words in the place of an entry: for an erasure, and for what an earlier version
        left out of it. Else history is history.

        Args:
            number: of the entry; one that is gone is left so.
            change: from what it says to what it says from now on; None to leave it as it is. Called
                again where somebody else rewrote it meanwhile.

        Returns:
            Whether it was rewritten.
        """
        while True:
            try:
                entry = self.read(number)
                record = change(entry.record)
                if record is None:
                    return False
                self._store.replace(entry.key, encode(record.as_body()), entry.etag)
            except ObjectMissingError:
                return False
            except ObjectChangedError:
                continue
            return True

    def delete(self, number: int, etag: str = "") -> None:
        """Forget an entry; if it was the newest, the next one takes its number again.

        Args:
            number: of the entry.
            etag: delete it only if it is still this one; empty for whatever it is.
        """
        self._store.delete(self.key(number), etag)

    def _take(self, number: int, record: _R) -> Manifest[_R] | None:
        """Write an entry under a number; None if another writer was faster."""
        data = encode(record.as_body())
        try:
            # Bytes that are there already are ours when only the answer to a first try was lost.
            self._store.put_same(self.key(number), data, "application/json")
        except ObjectExistsError:
            return None
        return self._entry(number, data)

    def _entry(self, number: int, data: bytes, etag: str = "") -> Manifest[_R]:
        key = self.key(number)
        try:
            body = parse_json(data)
        except RecordError as error:
            raise RecordError(f"{key} cannot be read. {error} {REPAIR}") from error
        try:
            return Manifest(number, key, self._read(body), etag)
        except RecordError as error:
            raise RecordError(f"{key} cannot be read. {error}") from error


def number_of(key: str) -> int:
    """The number of the entry with a key."""
    return _LAST - int(key[-13:-5])
