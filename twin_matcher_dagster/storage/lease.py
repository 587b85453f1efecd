"""Leases: one writer at a time, by an object that is only ever replaced on a condition.

The object says who holds the lease, and stays when nobody does. It is written with ``If-None-Match:
*`` once and with ``If-Match`` from then on, so of several who want it one gets it. It is never
deleted: a conditional delete is not atomic in every bucket (decision 0061).

A lease that was not renewed for ``EXPIRES_AFTER_S`` is taken over: by the store's clock (``Date``
less ``LastModified`` of one answer), or because whoever waits saw no change for that long. No clock
of another machine is asked.

A lease cannot say that its holder stopped: one that was paused may go on after the lease was taken
over. So what it writes is fenced. It says first which key it will write with ``If-None-Match: *``
(:meth:`Lease.reserve`), and whoever takes over writes an empty object there before doing anything
else. The old holder's write was earlier, and is seen, or is refused.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from twin_matcher_dagster.errors import (
    LeaseLostError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
)
from twin_matcher_dagster.storage.object_store import ObjectStore

EXPIRES_AFTER_S = 30.0
"""Whoever did not renew for so long was killed, or is fenced: it is renewed four times as often."""
WAIT_AT_MOST_S = 90.0
"""Three holders that were killed, one after the other."""


@dataclass(frozen=True)
class LeaseState:
    """What the object says.

    Attributes:
        number: how many held it so far.
        holder: random, of one who holds it; empty for nobody.
        since: when it was taken, by the store's clock.
        renewals: how often it was renewed: no two states are stored as the same bytes.
        writes: key that the holder, or one before whose write is not fenced yet, writes; may be
            empty.
    """

    number: int = 0
    holder: str = ""
    since: datetime | None = None
    renewals: int = 0
    writes: str = ""

    def encode(self) -> bytes:
        """As it is stored."""
        since = self.since.isoformat() if self.since else None
        return json.dumps({**asdict(self), "since": since}).encode()


@dataclass(frozen=True)
class _Seen:
    """A state, and when it was looked at; nothing but the state where there is no object."""

    state: LeaseState
    etag: str = ""
    now: datetime | None = None
    age_s: float = 0.0


class Lease:
    """A held lease. Call :meth:`renew` now and then, :meth:`reserve` before what is fenced."""

    def __init__(self, store: ObjectStore, key: str, state: LeaseState, etag: str) -> None:
        """Use :func:`leased`."""
        self._store, self._key = store, key
        self._state, self._etag = state, etag
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Say that the holder still lives, if it is time to.

        Raises:
            LeaseLostError: it was taken over.
        """
        if time.monotonic() - self._renewed > EXPIRES_AFTER_S / 4:
            self._write(self._state)

    def reserve(self, key: str) -> None:
        """Say which key will be written next, with ``If-None-Match: *``; renews as well.

        What it is made from has to be read after this.

        Args:
            key: takes the place of the one that was reserved before.

        Raises:
            LeaseLostError: it was taken over.
        """
        self._write(replace(self._state, writes=key))

    def _release(self) -> None:
        """Let go. One that was lost, or that the store cannot be told of, expires by itself."""
        with suppress(StorageError):
            self._write(LeaseState(self._state.number))

    def _close(self) -> None:
        """Fence the one before: what it was about to write is written now, or never."""
        if self._state.writes:
            with suppress(ObjectExistsError):
                self._store.put_new(self._state.writes, b"")

    def _write(self, state: LeaseState) -> None:
        state = replace(state, renewals=self._state.renewals + 1)
        began = time.monotonic()
        try:
            self._etag = self._store.replace(self._key, state.encode(), self._etag)
        except ObjectChangedError as error:
            raise LeaseLostError(
                f"{self._key} was taken over by another process: this one did not renew it for "
                f"{EXPIRES_AFTER_S:.0f} s. Nothing was written; try again."
            ) from error
        self._state, self._renewed = state, began


@contextmanager
def leased(store: ObjectStore, key: str) -> Generator[Lease]:
    """Hold a lease.

    Args:
        store: the bucket.
        key: of the lease's object.

    Raises:
        StorageError: others hold it for longer than ``WAIT_AT_MOST_S``.
    """
    lease = _acquire(store, key)
    try:
        lease._close()
        yield lease
    finally:
        lease._release()


def lease_state(store: ObjectStore, key: str) -> LeaseState:
    """Who holds a lease. One that has expired is taken over, and let go."""
    seen = _look(store, key)
    if not seen.state.holder or seen.age_s <= EXPIRES_AFTER_S:
        return seen.state
    if lease := _take(store, key, seen, secrets.token_hex(8)):
        lease._close()
        lease._release()
    return LeaseState(seen.state.number)


def wait_for_write(store: ObjectStore, key: str, prefix: str) -> None:
    """See that nobody who holds a lease is about to write a key that begins with ``prefix``.

    Raises:
        StorageError: somebody is for longer than ``WAIT_AT_MOST_S``.
    """
    if _look(store, key).state.writes.startswith(prefix):
        with leased(store, key):
            pass


def _acquire(store: ObjectStore, key: str) -> Lease:
    holder = secrets.token_hex(8)
    started = changed = time.monotonic()
    etag, pause_s = "", 0.05
    while True:
        seen = _look(store, key)
        now = time.monotonic()
        if seen.etag != etag:
            etag, changed = seen.etag, now
        if seen.state.holder == holder:  # only the answer was lost
            return Lease(store, key, seen.state, seen.etag)
        expired = max(seen.age_s, now - changed) > EXPIRES_AFTER_S
        if (expired or not seen.state.holder) and (lease := _take(store, key, seen, holder)):
            return lease
        if now - started > WAIT_AT_MOST_S:
            raise StorageError("The same is being done by another process. Wait, and try again.")
        pause_s = min(2 * pause_s, 0.5)
        time.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311


def _take(store: ObjectStore, key: str, seen: _Seen, holder: str) -> Lease | None:
    """Take what is free or has expired; None if somebody else was faster."""
    # Still with what the one before writes: it goes when that is fenced.
    since = seen.now or store.now()
    state = LeaseState(seen.state.number + 1, holder, since, 0, seen.state.writes)
    try:
        if seen.etag:
            etag = store.replace(key, state.encode(), seen.etag)
        else:
            etag = store.put_new(key, state.encode(), "application/json")
    except (ObjectChangedError, ObjectExistsError):
        return None
    return Lease(store, key, state, etag)


def _look(store: ObjectStore, key: str) -> _Seen:
    try:
        found = store.read(key)
    except ObjectMissingError:
        return _Seen(LeaseState())
    age_s = (found.now - found.modified).total_seconds()
    return _Seen(_parsed(found.body), found.etag, found.now, age_s)


def _parsed(body: bytes) -> LeaseState:
    try:
        return _STATE.validate_json(body)
    except ValidationError:
        return LeaseState()  # of nobody: whoever takes it writes it anew


_STATE: TypeAdapter[Any] = TypeAdapter(LeaseState)
