"""Other clips of a user: in the data set, held out, and nothing to learn from."""

from __future__ import annotations

import pytest

from twin_matcher_dagster.dataset.versions import Version, read_version, update_dataset
from twin_matcher_dagster.storage.logs import dataset_versions
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket


@pytest.fixture
def kit() -> Kit:
    made = Kit(memory_bucket())
    made.celebrities()
    return made


@pytest.fixture
def first(kit: Kit) -> str:
    return kit.member()


def clips(version: Version) -> dict[str, str]:
    """Other clips, and by which upload their people are in."""
    return {one.upload_id: one.enrolled.upload_id for one in version.other_clips}


def test_it_is_held_out_under_the_first_ones_identity(kit: Kit, first: str) -> None:
    before = kit.version()
    second = kit.another_clip(first)
    version = kit.version()
    assert clips(version) == {second: first}
    assert version.upload_ids == (first,)
    assert version.shards == before.shards
    assert version.identities == before.identities
    new = [face for face in version.faces() if face.upload_id == second]
    assert {(face.identity_id, face.split) for face in new} == {(user_id(first), "test")}
    (label,) = {one.label for one in version.identities if one.identity_id == user_id(first)}
    assert {face.label for face in new} == {label}
    record = version.record
    assert record.rows == before.record.rows + 3 == len(list(version.faces()))
    assert (record.users, record.identities) == (before.record.users, before.record.identities)
    assert record.splits["train"] == before.record.splits["train"]
    assert record.splits["test"] == before.record.splits["test"] + 3
    assert record.fingerprint != before.fingerprint
    assert set(version.changes_since(before)[0]) == {second}


def test_whoever_is_left_is_enrolled_and_the_first_one_first(kit: Kit, first: str) -> None:
    """Nobody who was accepted is forgotten, and nobody is in twice."""
    second, third = kit.another_clip(first), kit.another_clip(first)
    assert clips(kit.version()) == {second: first, third: first}
    for out in (False, True):
        kit.judge(first, state="rejected" if out else "flagged")
        version = kit.version()
        assert version.upload_ids == (second,)
        assert clips(version) == {third: second}
        assert version.record.users == 1
        kit.judge(first)
        assert clips(kit.version()) == {second: first, third: first}
    kit.judge(second, state="rejected", another_of=first)
    assert clips(kit.version()) == {third: first}
    kit.judge(first, state="rejected")
    last = kit.version()
    assert (last.upload_ids, last.other_clips) == ((third,), ())
    kit.judge(third, state="rejected", another_of=first)
    empty = kit.version()
    assert (empty.upload_ids, empty.record.members) == ((), {})


def test_an_earlier_id_does_not_take_a_persons_place(kit: Kit) -> None:
    """Begun before the first one and handed in after it."""
    early, first = kit.upload(), kit.member()
    assert early < first
    kit.judge(early, another_of=first)
    assert clips(kit.version()) == {early: first}


def test_who_was_in_as_somebody_new_is_not_in_twice(kit: Kit, first: str) -> None:
    """Accepted by itself, kept out, and accepted as another clip, all between two versions."""
    second = kit.member()
    assert set(kit.version().upload_ids) == {first, second}
    kit.judge(second, state="rejected")
    kit.judge(second, another_of=first)
    version = kit.version()
    assert clips(version) == {second: first}
    assert sum(one.uploads for one in version.record.members.values()) == 2


def test_the_same_content_is_the_same_version_whichever_way_it_came(kit: Kit, first: str) -> None:
    kit.another_clip(first)
    other = kit.member()
    kit.another_clip(other)
    before = kit.version()
    assert update_dataset(kit.store, everything=True).number == before.number
    log = dataset_versions(kit.store)
    for number in list(log.numbers()):
        log.delete(number)
    again = Version(kit.store, update_dataset(kit.store))
    assert again.record == before.record
    assert list(again.faces()) == list(before.faces())
    assert clips(read_version(kit.store)) == clips(before)
