"""A lock in the bucket: one at a time, and nobody waits for the dead."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.storage import lock
from twin_matcher_dagster.storage.lock import exclusive
from twin_matcher_dagster.storage.object_store import ObjectStore

KEY = "a-lock"


def test_one_at_a_time(store: ObjectStore) -> None:
    inside, most = 0, 0
    counting = threading.Lock()

    def work(_: int) -> None:
        nonlocal inside, most
        with exclusive(store, KEY):
            with counting:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with counting:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert most == 1
    assert list(store.list("")) == []


def test_it_is_let_go_whatever_happens(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="inside"), exclusive(store, KEY):
        raise ValueError("inside")
    with exclusive(store, KEY):
        assert list(store.list("")) == [KEY]
    assert list(store.list("")) == []


def test_who_was_killed_is_not_waited_for(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "STALE_SECONDS", 1.0)
    store.put_new(KEY, b"")  # of somebody who cannot let go any more
    started = time.monotonic()
    with exclusive(store, KEY):
        assert 0 < time.monotonic() - started < 20


def test_who_is_at_it_for_long_is_named(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.3)
    with (
        exclusive(store, KEY),
        pytest.raises(StorageError, match="being done by another process"),
        exclusive(store, KEY),
    ):
        pass
    assert list(store.list("")) == []


def test_who_says_that_it_lives_is_waited_for(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "STALE_SECONDS", 4.0)
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 7.0)
    with exclusive(store, KEY) as held, ThreadPoolExecutor(1) as pool:

        def other() -> None:
            with exclusive(store, KEY):
                raise AssertionError("two at once")

        waiting = pool.submit(other)
        while not waiting.done():
            held.renew()
            time.sleep(0.1)
        with pytest.raises(StorageError):
            waiting.result()
