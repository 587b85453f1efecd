"""A page has an answer in time; a run waits until S3 is back. All against faults of the real S3."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from botocore.config import Config

from twin_matcher_dagster.errors import (
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
    StoreAwayError,
    StoreFullError,
)
from twin_matcher_dagster.storage import patience
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore
from twin_matcher_dagster_tests.faulty_store import KINDS, Fault, FaultyStore, Kind

ONCE = PAGE_CONFIG.merge(Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
BODY = bytes(range(256)) * 400
AWAY: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in ("clock", "full"))


@pytest.fixture
def through(store: ObjectStore, faulty: FaultyStore) -> ObjectStore:
    """The test's bucket, by way of the proxy, as a page has it."""
    return ObjectStore(faulty.client(PAGE_CONFIG), store.bucket)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of no length."""
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE_S", 0.02)


def test_whoever_waits_is_told_in_time_that_the_store_is_away(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore
) -> None:
    store.put_new("key", BODY)
    asked: list[Callable[[ObjectStore], object]] = [
        lambda prompt: prompt.get("key"),
        lambda prompt: list(prompt.list("")),
        lambda prompt: prompt.put_same("new", BODY),
    ]
    for kind in AWAY:
        # What was written, and whose answer was cut behind its head, is written.
        with faulty.having(Fault(kind, seconds=0.05)):
            for ask in asked[: 2 if kind == "cut" else 3]:
                began = time.monotonic()
                with pytest.raises(StoreAwayError):
                    ask(through.within(0.3))
                # No measurement: without a limit a slow answer takes an hour, a silent one 24 s.
                assert time.monotonic() - began < 5, kind
        # A write that was left alone may come through now: whoever asked was told nothing else.
        assert through.within(60).get("key") == BODY


def test_the_time_is_of_all_requests_together_until_it_is_renewed(
    store: ObjectStore, through: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock[0])
    store.put_new("key", BODY)
    prompt = through.within(500)
    clock[0] = 400.0
    assert prompt.get("key") == BODY
    clock[0] = 501.0
    with pytest.raises(StoreAwayError):
        prompt.get("key")
    prompt.renew()
    assert prompt.get("key") == BODY


@pytest.mark.parametrize("kind", [*AWAY, "full"])
def test_a_run_goes_on_when_the_store_is_back(
    kind: Kind, store: ObjectStore, faulty: FaultyStore, soon: None
) -> None:
    """Each request fails twice, in each way; what is done in the end is what was asked."""
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if len(told) % 2 == 0:
            faulty.heal()

    store.put_new("read", BODY)
    waiting = ObjectStore(faulty.client(ONCE), store.bucket).waited_for(tell)
    faults = Fault(kind, seconds=60)
    if kind != "full":
        with faulty.having(faults):
            assert waiting.get("read") == BODY
        with faulty.having(faults):
            assert list(waiting.list("")) == ["read"]
    with faulty.having(faults):
        waiting.put_same("written", BODY)
    assert all("is waited for" in text for text in told)
    assert len(told) >= (2 if kind == "full" else 4)
    assert store.get("written") == BODY


def test_what_is_refused_is_not_waited_for(through: ObjectStore, store: ObjectStore) -> None:
    told: list[str] = []
    waiting = through.waited_for(told.append)
    waiting.put_new("key", BODY)
    with pytest.raises(ObjectExistsError):
        waiting.put_new("key", BODY)
    with pytest.raises(ObjectMissingError):
        waiting.get("none")
    with pytest.raises(StorageError, match="no bucket"):
        ObjectStore(waiting.client, "no-such-bucket").get("key")
    assert told == []


@pytest.mark.parametrize(
    ("kind", "limit"), [("refused", "LONGEST_WAIT_S"), ("full", "LONGEST_REFUSAL_S")]
)
def test_a_run_does_not_wait_for_ever(
    kind: Kind,
    limit: str,
    through: ObjectStore,
    faulty: FaultyStore,
    soon: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, limit, 0.1)
    with faulty.having(Fault(kind)), pytest.raises(StoreAwayError):
        through.waited_for(lambda text: None).put_new("key", BODY)


def test_a_full_bucket_is_called_full(through: ObjectStore, faulty: FaultyStore) -> None:
    with faulty.having(Fault("full")), pytest.raises(StoreFullError, match="raise the quota"):
        through.put_new("key", BODY)


def test_a_clock_that_is_off_is_called_that(through: ObjectStore, faulty: FaultyStore) -> None:
    with faulty.having(Fault("skewed")):
        with pytest.raises(StoreAwayError, match="Set the clock of this machine"):
            through.get("key")
        with pytest.raises(StorageError, match="Check the clock of this machine"):
            through.now()


def test_an_answer_that_is_cut_anywhere_is_never_taken_for_a_whole_one(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore
) -> None:
    """Of a head that was cut boto3 makes an empty object, and a listing of nothing."""
    store.put_new("key", BODY)
    cut = ObjectStore(faulty.client(ONCE), store.bucket)
    with faulty.having(Fault("cut")):
        for _ in range(60):
            with pytest.raises(StoreAwayError):
                list(cut.list(""))
            with pytest.raises(StoreAwayError):
                cut.get("key")


def test_a_listing_is_continued_where_it_failed(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore, soon: None
) -> None:
    keys = [f"many/{number:02d}" for number in range(40)]
    for key in keys:
        store.put_new(key, b"")
    faulty.set(Fault("500", share=0.5))
    waiting = through.waited_for(lambda text: None)
    assert list(waiting.list("many/", page_size=3)) == keys
    assert list(waiting.list("many/", start_after=keys[20], page_size=3)) == keys[21:]
    faulty.heal()
    client = store.client
    client.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
    store.overwrite("many/00", b"new")
    assert dict(waiting.everything())["many/00"] == b"new"
