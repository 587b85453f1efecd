"""Manifest logs: numbered, write-once, and safe with many writers."""

from __future__ import annotations

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from hypothesis import given, settings
from hypothesis import strategies as st

from twin_matcher_dagster.errors import ObjectMissingError, RecordError, TwinMatcherError
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.fast_starting import fast_starting
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.storage.notes import EACH, Note, append_some, log_in, note

WRITERS = 8
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_an_empty_log_has_no_head(store: ObjectStore) -> None:
    log = log_in(store, "a/log")
    assert log.head() is None
    assert log.head_number() == 0
    with pytest.raises(ObjectMissingError):
        log.read(1)


def test_the_newest_entry_is_the_head(store: ObjectStore) -> None:
    log = log_in(store, "a/log")
    for number in range(1, 12):
        assert log.append(note(f"content {number}")).number == number
    head = log.head()
    assert head is not None
    assert (head.number, head.fingerprint) == (11, "content 11")
    assert head.key == "a/log/99999988.json"
    assert log.read(2).fingerprint == "content 2"


def test_an_object_of_somebody_else_is_not_an_entry(store: ObjectStore) -> None:
    log = log_in(store, "a/log")
    log.append(note("ours"))
    store.put_new("a/log/notes.txt", b"not ours")
    store.put_new("a/log/00000000.txt", b"not ours, and listed first")
    assert log.head_number() == 1
    assert log.append(note("next")).number == 2


def test_logs_do_not_see_one_another(store: ObjectStore) -> None:
    log_in(store, "users/1/log").append(note("one"))
    log_in(store, "users/12/log").append(note("twelve"))
    assert log_in(store, "users/1/log").head_number() == 1
    assert log_in(store, "users/2/log").head() is None


@settings(max_examples=15)
@given(
    notes=st.lists(
        st.builds(
            Note,
            fingerprint=st.text(),
            text=st.text(),
            values=st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
        ),
        max_size=4,
    )
)
def test_entries_read_back_as_they_were_written(notes: list[Note]) -> None:
    log = log_in(memory_bucket(), "a/log")
    numbers = [log.append(one).number for one in notes]
    assert numbers == list(range(1, len(notes) + 1))
    assert [log.read(number).record for number in numbers] == notes
    assert log.head_number() == len(notes)


def test_processes_that_append_at_once_lose_nothing(store: ObjectStore) -> None:
    context = fast_starting()
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
    log = log_in(store, "shared/log")
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

    log = log_in(store, "a/log")
    log.append(note("before"))
    store.client.meta.events.register("before-send.s3.PutObject", lose_the_answer)
    entry = log.append(note("once"))
    assert len(lost) == 1
    assert entry.number == 2
    assert list(log.numbers()) == [2, 1]
    assert log.read(2).fingerprint == "once"


@pytest.mark.parametrize("data", [b" ", b"[]", b"null", b"{}", b'{"schema": 99}', b"\xff"])
def test_an_entry_that_cannot_be_read_is_named(data: bytes) -> None:
    store = memory_bucket()
    log = log_in(store, "a/log")
    store.put_new(log.key(1), data)
    with pytest.raises(RecordError, match=r"a/log/99999998\.json cannot be read"):
        log.head()


def test_a_number_that_is_closed_is_no_entry_and_is_not_taken_again(store: ObjectStore) -> None:
    log = log_in(store, "a/log")
    store.put_new(log.key(1), b"")
    assert (log.head(), log.head_entry(), log.head_number()) == (None, None, 0)
    assert log.append(note("one")).number == 2
    for number in range(3, 15):  # more than a page of them
        store.put_new(log.key(number), b"")
    assert list(log.numbers()) == [2]
    assert log.existing_head().fingerprint == "one"
    assert log.commit(note("two")).number == 15
    assert log.append(note("three")).number == 16


def test_two_who_rewrite_an_entry_both_do(store: ObjectStore) -> None:
    """The second had read it before the first wrote."""
    log = log_in(store, "a/log")
    log.append(note("one"))

    def second(one: Note) -> Note:
        if one.fingerprint == "one":
            log.rewrite(1, lambda one: note(f"{one.fingerprint}, first"))
        return note(f"{one.fingerprint}, second")

    assert log.rewrite(1, second)
    assert log.read(1).fingerprint == "one, first, second"


def test_an_entry_that_took_a_number_again_is_not_deleted_for_the_one_before(
    store: ObjectStore,
) -> None:
    log = log_in(store, "a/log")
    before = log.read(log.append(note("before")).number)
    log.delete(before.number, before.etag)
    assert log.append(note("after")).number == before.number
    log.delete(before.number, before.etag)
    assert log.existing_head().fingerprint == "after"


def test_a_record_of_the_same_content_adds_nothing(store: ObjectStore) -> None:
    log = log_in(store, "a/log")
    first = log.commit(note("one"))
    assert log.commit(Note(fingerprint="one", text="in other words")) == first
    assert log.commit(note("two")).number == 2
    assert log.commit(note("one")).number == 3  # only the newest counts


def test_what_is_rewritten_keeps_its_place_and_what_is_deleted_leaves_it(
    store: ObjectStore,
) -> None:
    log = log_in(store, "a/log")
    for mark in ("one", "two", "three"):
        log.append(note(mark))
    assert log.rewrite(2, lambda one: note("other words"))
    assert not log.rewrite(3, lambda one: None)
    assert not log.rewrite(4, lambda one: note("there is none"))
    log.delete(1)
    assert [(one.number, one.fingerprint) for one in log.entries()] == [
        (3, "three"),
        (2, "other words"),
    ]


def test_a_log_that_is_empty_says_what_to_materialize(store: ObjectStore) -> None:
    with pytest.raises(TwinMatcherError, match="There is no notes in this bucket yet"):
        log_in(store, "a/log").existing_head()
