"""Manifest logs: numbered, write-once, and safe with many writers."""

from __future__ import annotations

import multiprocessing
import secrets
from multiprocessing.synchronize import Barrier

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore

WRITERS = 8
EACH = 4
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def append_some(bucket: str, writer: int, start: Barrier) -> None:
    """One process of several that append to the same log at once."""
    log = ManifestLog(ObjectStore.from_environment(bucket), "shared/log")
    log.head_number()  # connected before the start
    start.wait(60)
    for turn in range(EACH):
        log.append({"fingerprint": f"{writer}/{turn}"})


def test_an_empty_log_has_no_head(store: ObjectStore) -> None:
    log = ManifestLog(store, "a/log")
    assert log.head() is None
    assert log.head_number() == 0
    with pytest.raises(ObjectMissingError):
        log.read(1)


def test_the_newest_entry_is_the_head(store: ObjectStore) -> None:
    log = ManifestLog(store, "a/log")
    for number in range(1, 12):
        assert log.append({"fingerprint": f"content {number}"}).number == number
    head = log.head()
    assert head is not None
    assert (head.number, head.fingerprint) == (11, "content 11")
    assert head.key == "a/log/99999988.json"
    assert log.read(2).fingerprint == "content 2"


def test_an_object_of_somebody_else_is_not_an_entry(store: ObjectStore) -> None:
    log = ManifestLog(store, "a/log")
    log.append({"fingerprint": "ours"})
    store.put_new("a/log/notes.txt", b"not ours")
    store.put_new("a/log/00000000.txt", b"not ours, and listed first")
    assert log.head_number() == 1
    assert log.append({"fingerprint": "next"}).number == 2


def test_logs_do_not_see_one_another(store: ObjectStore) -> None:
    ManifestLog(store, "users/1/log").append({"fingerprint": "one"})
    ManifestLog(store, "users/12/log").append({"fingerprint": "twelve"})
    assert ManifestLog(store, "users/1/log").head_number() == 1
    assert ManifestLog(store, "users/2/log").head() is None


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bodies=st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=4))
def test_entries_read_back_as_they_were_written(store: ObjectStore, bodies: list[dict]) -> None:
    log = ManifestLog(store, f"{secrets.token_hex(8)}/log")
    numbers = [log.append(body).number for body in bodies]
    assert numbers == list(range(1, len(bodies) + 1))
    assert [dict(log.read(number).body) for number in numbers] == bodies
    assert log.head_number() == len(bodies)


def test_processes_that_append_at_once_lose_nothing(store: ObjectStore) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(WRITERS)
    writers = [
        context.Process(target=append_some, args=(store.bucket, writer, start))
        for writer in range(WRITERS)
    ]
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
    assert [process.exitcode for process in writers] == [0] * WRITERS
    log = ManifestLog(store, "shared/log")
    assert log.head_number() == WRITERS * EACH
    written = [log.read(number).fingerprint for number in range(1, WRITERS * EACH + 1)]
    assert sorted(written) == sorted(f"{w}/{t}" for w in range(WRITERS) for t in range(EACH))


def test_an_append_whose_answer_was_lost_is_not_doubled(store: ObjectStore) -> None:
    """The first put reaches the store, but its connection closes before the answer comes."""
    lost: list[str] = []

    def lose_the_answer(request: AWSRequest, **_: object) -> None:
        if not lost:
            lost.append(str(request.url))
            assert URLLib3Session().send(request).status_code == 200
            raise ConnectionClosedError(endpoint_url=str(request.url))

    log = ManifestLog(store, "a/log")
    log.append({"fingerprint": "before"})
    store.client.meta.events.register("before-send.s3.PutObject", lose_the_answer)
    entry = log.append({"fingerprint": "once"})
    assert len(lost) == 1
    assert entry.number == 2
    assert list(log.numbers()) == [2, 1]
    assert log.read(2).fingerprint == "once"
