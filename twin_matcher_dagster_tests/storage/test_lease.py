"""Leases: never two holders that both do harm, and never one for ever."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest

from twin_matcher_dagster.errors import LeaseLostError, StorageError
from twin_matcher_dagster.storage import lease
from twin_matcher_dagster.storage.lease import Lease, lease_state, leased, wait_for_write
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import Record
from twin_matcher_dagster_tests.store_clock import with_clock

KEY = "leases/a"


@dataclass(frozen=True, kw_only=True)
class Note(Record):
    """The smallest record."""

    words: str


def log_in(store: ObjectStore, name: str = "notes") -> ManifestLog[Note]:
    return ManifestLog(store, name, Note.from_body, "notes")


def note(words: str) -> Note:
    return Note(fingerprint=words, words=words)


def words(log: ManifestLog[Note]) -> list[str]:
    return [one.record.words for one in log.entries()]


def another(store: ObjectStore) -> ObjectStore:
    """The same bucket in another process's hands."""
    return ObjectStore(boto3.client("s3"), store.bucket)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases expire at once; but the store tells whole seconds only."""
    monkeypatch.setattr(lease, "EXPIRES_AFTER_S", 0.4)


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "WAIT_AT_MOST_S", 0.5)


class Paused:
    """Somebody who takes the lease to write a note, and is stopped on the way.

    Args:
        store: the bucket.
        before: ``make``: what it makes the note of is read; ``put``: the note is on its way.
    """

    def __init__(self, store: ObjectStore, before: str) -> None:
        self.stopped, self.go_on = threading.Event(), threading.Event()
        self._store, self._before = another(store), before
        self._store.client.meta.events.register("before-send.s3.PutObject", self._send)

    def _send(self, request: AWSRequest, **_: object) -> None:
        if "/notes/" in str(request.url):
            self._stop("put")

    def _stop(self, where: str) -> None:
        if where == self._before:
            self.stopped.set()
            assert self.go_on.wait(60)

    def run(self) -> Manifest[Note]:
        return write(self._store, "paused", "notes", lambda: self._stop("make"))


def write(
    store: ObjectStore,
    words: str,
    log: str = "notes",
    meanwhile: Callable[[], None] = lambda: None,
) -> Manifest[Note]:
    """Take the lease, and write a note."""

    def make(head: Manifest[Note] | None) -> Note:
        meanwhile()
        return note(words)

    with leased(store, KEY) as held:
        return log_in(store, log).update(make, held.reserve)


def stored(store: ObjectStore) -> dict[str, Any]:
    """What the lease's object says."""
    return json.loads(store.get(KEY))


def test_one_at_a_time(store: ObjectStore) -> None:
    """On a bucket where nobody held it before: the first object is contested too."""
    inside, most = 0, 0
    counting, start = threading.Lock(), threading.Barrier(6)

    def work(_: int) -> None:
        nonlocal inside, most
        start.wait(30)
        with leased(store, KEY):
            with counting:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with counting:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert most == 1
    state = lease_state(store, KEY)
    assert (state.holder, state.number) == ("", 6)


def test_it_is_let_go_whatever_happens(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="inside"), leased(store, KEY):
        assert lease_state(store, KEY).holder
        raise ValueError("inside")
    assert not lease_state(store, KEY).holder
    with leased(store, KEY):
        pass


def test_who_is_at_it_for_long_is_named(store: ObjectStore, no_patience: None) -> None:
    with (
        leased(store, KEY),
        pytest.raises(StorageError, match="being done by another process"),
        leased(store, KEY),
    ):
        pass
    assert not lease_state(store, KEY).holder


def test_who_says_that_it_lives_is_waited_for(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "EXPIRES_AFTER_S", 3.0)
    monkeypatch.setattr(lease, "WAIT_AT_MOST_S", 5.0)
    with leased(store, KEY) as held, ThreadPoolExecutor(1) as pool:

        def other() -> None:
            with leased(store, KEY):
                raise AssertionError("two at once")

        waiting = pool.submit(other)
        while not waiting.done():
            held.renew()
            time.sleep(0.1)
        with pytest.raises(StorageError):
            waiting.result()


# "Clock skew of 31 s": whoever's clock was ahead took a lease that was held.
@pytest.mark.parametrize("seconds", [-31, 31, 3600])
def test_whoever_has_another_clock_than_the_store_waits_for_who_holds_it(
    store: ObjectStore, no_patience: None, seconds: int
) -> None:
    other = with_clock(store, timedelta(seconds=seconds))
    with leased(store, KEY) as held:
        with pytest.raises(StorageError, match="being done by another"), leased(other, KEY):
            pass
        assert lease_state(other, KEY).holder
        held.reserve("")  # still mine


# "With a clock 10 minutes behind a dead lock never expires."
@pytest.mark.parametrize(
    ("ahead", "written"),
    [(-600, -600), (600, 600), (0, 600)],
    ids=["clock ahead of the store's", "clock behind the store's", "the store's was set back"],
)
@pytest.mark.usefixtures("short")
def test_a_dead_holder_is_not_waited_for_whatever_the_clocks_say(
    store: ObjectStore, ahead: int, written: int
) -> None:
    dead(store)
    other = with_clock(store, timedelta(seconds=ahead), timedelta(seconds=written))
    with leased(other, KEY):
        assert lease_state(store, KEY).number == 2


def dead(store: ObjectStore, writes: str = "") -> Lease:
    """A lease whose holder was killed."""
    holding = leased(store, KEY)
    held = holding.__enter__()
    if writes:
        held.reserve(writes)
    held._release = lambda: None
    return held


# "A paused holder."
@pytest.mark.parametrize("stop_before", ["make", "put"])
@pytest.mark.parametrize("log", ["notes", "notes-of-another"])
@pytest.mark.usefixtures("short")
def test_a_holder_that_was_paused_writes_nothing_once_another_one_looks(
    store: ObjectStore, stop_before: str, log: str
) -> None:
    log_in(store).append(note("before"))
    paused = Paused(store, stop_before)
    with ThreadPoolExecutor(1) as pool:
        waking = pool.submit(paused.run)
        assert paused.stopped.wait(30)
        write(store, "other", log)
        seen = words(log_in(store))
        paused.go_on.set()
        with pytest.raises(LeaseLostError, match="taken over by another process"):
            waking.result(30)
    assert words(log_in(store)) == seen
    assert "paused" not in seen
    assert "other" in words(log_in(store, log))
    write(store, "after")
    assert words(log_in(store)) == ["after", *seen]


@pytest.mark.usefixtures("short")
def test_what_was_written_before_is_seen_by_whoever_takes_over(store: ObjectStore) -> None:
    log = log_in(store)
    held = dead(store, log.key(1))
    log.append(note("just before"))
    assert write(store, "other").number == 2
    assert words(log) == ["other", "just before"]
    with pytest.raises(LeaseLostError):
        held.reserve(log.key(3))


@pytest.mark.usefixtures("short")
def test_who_lost_it_does_not_let_go_of_anothers(store: ObjectStore) -> None:
    paused = leased(store, KEY)
    held = paused.__enter__()
    time.sleep(1.5)
    with leased(store, KEY):
        with pytest.raises(LeaseLostError):
            held.renew()
        paused.__exit__(None, None, None)
        assert stored(store)["holder"]
    assert not stored(store)["holder"]


# "Two waiters."
@pytest.mark.usefixtures("short")
def test_of_those_who_wait_for_a_dead_holder_one_gets_it(store: ObjectStore) -> None:
    """All have seen the same, and take it at the same moment."""
    dead(store)
    time.sleep(1.5)
    seen = lease._look(store, KEY)
    start = threading.Barrier(6)

    def take(number: int) -> bool:
        start.wait(30)
        return lease._take(store, KEY, seen, f"holder {number}") is not None

    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(take, range(6)))
    assert got.count(True) == 1
    assert lease_state(store, KEY).number == 2


@pytest.mark.usefixtures("short")
def test_who_is_killed_before_it_fenced_the_one_before_leaves_that_to_the_next(
    store: ObjectStore,
) -> None:
    dead(store, "notes/99999998.json")
    time.sleep(1.5)
    assert lease._take(store, KEY, lease._look(store, KEY), "killed at once")
    assert list(store.list("notes/")) == []
    time.sleep(1.5)
    assert lease_state(store, KEY).writes == ""
    assert store.get("notes/99999998.json") == b""
    assert log_in(store).head() is None
    assert log_in(store).append(note("next")).number == 2


@pytest.mark.usefixtures("short")
def test_whoever_only_looks_lets_go_of_what_a_dead_holder_has(store: ObjectStore) -> None:
    dead(store)
    assert stored(store)["holder"]
    time.sleep(1.5)
    assert not lease_state(store, KEY).holder
    assert not stored(store)["holder"]


@pytest.mark.usefixtures("short")
def test_a_write_of_others_is_waited_for_and_only_that(store: ObjectStore) -> None:
    wait_for_write(store, KEY, "notes/")
    dead(store, "notes/99999998.json")
    wait_for_write(store, KEY, "letters/")
    assert list(store.list("notes/")) == []
    wait_for_write(store, KEY, "notes/")
    assert store.get("notes/99999998.json") == b""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"number": "many"}'])
def test_an_object_that_cannot_be_read_is_nobodys(store: ObjectStore, body: bytes) -> None:
    store.put_new(KEY, body)
    with leased(store, KEY):
        assert lease_state(store, KEY).number == 1


def test_an_answer_that_was_lost_costs_nothing(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first write came through, and the client sends it again."""
    real = store.client.put_object

    def twice(**given: Any) -> Any:
        real(**given)
        return real(**given)

    monkeypatch.setattr(store.client, "put_object", twice)
    with leased(store, KEY) as held:
        held.reserve("notes/1")
        held.reserve("notes/2")
        assert lease_state(store, KEY).writes == "notes/2"
    monkeypatch.undo()
    assert lease_state(store, KEY).holder == ""


def test_a_bucket_that_keeps_versions_keeps_none_of_a_lease(store: ObjectStore) -> None:
    client, bucket = store.client, store.bucket
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    with leased(store, KEY) as held:
        held.reserve("notes/1")
    assert len(client.list_object_versions(Bucket=bucket)["Versions"]) == 1
