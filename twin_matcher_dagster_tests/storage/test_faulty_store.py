"""The proxy of the tests fails in the ways that it is told, and passes everything else on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from twin_matcher_dagster.storage.object_store import CLIENT_CONFIG, ObjectStore
from twin_matcher_dagster_tests.faulty_store import KINDS, Fault, FaultyStore, Kind, weather

ONCE = CLIENT_CONFIG.merge(Config(retries={"total_max_attempts": 1}))
HURRIED = ONCE.merge(Config(read_timeout=0.5))


@pytest.fixture
def client(faulty: FaultyStore) -> Any:
    return faulty.client(ONCE)


def test_what_does_not_fail_is_passed_on(
    store: ObjectStore, client: Any, faulty: FaultyStore
) -> None:
    through = ObjectStore(client, store.bucket)
    body = bytes(range(256)) * 4000
    through.put_new("some/key", body)
    assert store.get("some/key") == through.get("some/key") == body
    assert list(through.list("some/")) == ["some/key"]
    through.delete("some/key")
    assert list(store.list("")) == []
    methods = [one.method for one in faulty.passed]
    assert methods == ["PUT", "GET", "GET", "DELETE", "GET"]


def test_a_fault_is_an_error_of_the_client_until_it_is_healed(
    store: ObjectStore, client: Any, faulty: FaultyStore
) -> None:
    store.put_new("key", bytes(1000))
    kinds: tuple[Kind, ...] = ("refused", "silent", "lost", "torn", "500", "503", "skewed")
    for kind in kinds:
        hurried = faulty.client(HURRIED if kind == "silent" else ONCE)
        with faulty.having(Fault(kind)), pytest.raises((ClientError, BotoCoreError)):
            hurried.get_object(Bucket=store.bucket, Key="key")["Body"].read()
        assert client.get_object(Bucket=store.bucket, Key="key")["Body"].read() == bytes(1000)


def test_what_was_lost_is_done_and_what_was_torn_is_not(
    store: ObjectStore, client: Any, faulty: FaultyStore
) -> None:
    for kind in ("lost", "torn"):
        with faulty.having(Fault(kind)), pytest.raises(BotoCoreError):
            client.put_object(Bucket=store.bucket, Key=kind, Body=bytes(100_000))
    assert list(store.list("")) == ["lost"]


def test_a_full_bucket_is_read(store: ObjectStore, client: Any, faulty: FaultyStore) -> None:
    store.put_new("key", b"body")
    faulty.set(Fault("full"))
    with pytest.raises(ClientError, match="QuotaExceeded"):
        client.put_object(Bucket=store.bucket, Key="other", Body=b"")
    assert client.get_object(Bucket=store.bucket, Key="key")["Body"].read() == b"body"


def test_a_clock_can_be_off(store: ObjectStore, client: Any, faulty: FaultyStore) -> None:
    through = ObjectStore(client, store.bucket)
    store.put_new("key", b"body")
    (real,) = store.items("")
    for ahead in (3600.0, -3600.0):
        with faulty.having(Fault("clock", seconds=ahead)):
            off = through.now() - datetime.now(timezone.utc)
            (item,) = through.items("")
        assert abs(off.total_seconds() - ahead) < 60
        assert item["LastModified"] - real["LastModified"] == timedelta(seconds=ahead)


def test_a_slow_answer_comes_byte_by_byte_and_at_once_when_it_is_healed(
    store: ObjectStore, client: Any, faulty: FaultyStore
) -> None:
    store.put_new("key", b"body")
    hurried = faulty.client(HURRIED)
    with faulty.having(Fault("slow", seconds=60, path="key")), pytest.raises(BotoCoreError):
        hurried.get_object(Bucket=store.bucket, Key="key")  # the first byte comes, no second one
    with faulty.having(Fault("slow", seconds=0.0001)):
        assert client.get_object(Bucket=store.bucket, Key="key")["Body"].read() == b"body"


def test_a_share_of_the_requests_fails_as_the_seed_says(
    store: ObjectStore, s3_variables: Mapping[str, str]
) -> None:
    def failed(seed: int) -> list[str]:
        with FaultyStore(s3_variables, seed) as proxy, proxy.having(Fault("500", share=0.5)):
            client = proxy.client(ONCE)
            for _ in range(20):
                with pytest.raises(ClientError):
                    client.get_object(Bucket=store.bucket, Key="none")
            return [one.fault for one in proxy.passed]

    assert failed(1) == failed(1) != failed(2)
    assert 3 < failed(1).count("500") < 17


def test_a_storm_has_every_kind_and_is_the_same_for_a_seed() -> None:
    first = list(islice(weather(3), 2 * len(KINDS)))
    assert first == list(islice(weather(3), 2 * len(KINDS)))
    assert {fault.kind for _, fault, _ in first[: len(KINDS)]} == set(KINDS)


def test_a_storm_ends_with_calm(store: ObjectStore, client: Any, faulty: FaultyStore) -> None:
    store.put_new("key", b"body")
    with faulty.storm(seed=1):
        pass
    assert client.get_object(Bucket=store.bucket, Key="key")["Body"].read() == b"body"
