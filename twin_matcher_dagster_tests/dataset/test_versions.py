"""Versions of the data set: small, complete, the same whichever way they came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.model import OperationModel

from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.dataset.versions import (
    Version,
    note_verdict,
    read_version,
    update_dataset,
)
from twin_matcher_dagster.errors import ObjectMissingError, TwinMatcherError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import dataset_versions
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.dataset import list_of
from twin_matcher_dagster.storage.records.parts import person_of, user_id
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.dataset.bringing_in import bring_in
from twin_matcher_dagster_tests.fast_starting import fast_starting
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.records import example

WRITERS = 8


@pytest.fixture
def kit() -> Kit:
    """Two celebrities in a bucket in memory."""
    made = Kit(memory_bucket())
    made.celebrities()
    return made


def members(version: Version) -> set[str]:
    return {member.upload_id for member in version.members}


def test_without_celebrities_there_is_nothing_to_make() -> None:
    store = memory_bucket()
    with pytest.raises(TwinMatcherError, match="no balanced_faces in this bucket yet"):
        update_dataset(store)
    with pytest.raises(TwinMatcherError, match="no twin_dataset in this bucket yet"):
        read_version(store)


def test_a_version_adds_up(kit: Kit) -> None:
    update_dataset(kit.store)
    one, two = kit.member(), kit.member()
    version = kit.version()
    assert members(version) == {one, two}
    assert version.number == 3
    assert version.record.rows == sum(1 for _ in version.faces()) == 12 + 6
    assert version.record.users == 2
    assert version.record.splits == {"train": 12, "validation": 0, "test": 6}
    assert version.record.identities == len(version.identities) == 4
    assert {face.identity_id for face in version.faces()} == {
        celebrity_id("Ana Aranda"),
        celebrity_id("Bo Berg"),
        user_id(one),
        user_id(two),
    }


def test_who_is_not_accepted_is_not_in_and_leaves(kit: Kit) -> None:
    update_dataset(kit.store)
    kept, gone, never = kit.member(), kit.member(), kit.upload()
    kit.judge(never, state="rejected")
    kit.judge(gone, state="rejected")
    update_dataset(kit.store)
    assert members(kit.version()) == {kept}


def test_nothing_new_is_no_new_version(kit: Kit) -> None:
    kit.member()
    head = kit.version().number
    assert update_dataset(kit.store).number == head
    assert update_dataset(kit.store, everything=True).number == head
    assert list(kit.store.list(f"{layout.CHANGES}/")) == []


def test_what_came_and_went_between_two_versions(kit: Kit) -> None:
    first = update_dataset(kit.store)
    stays, goes = kit.member(), kit.member()
    before = kit.version()
    kit.judge(goes, state="rejected")
    comes = kit.member()
    came, left = kit.version().changes_since(before)
    assert set(came) == {comes}
    assert left == {goes}
    assert set(kit.version().changes_since(None)[0]) == {stays, comes}
    assert before.changes_since(Version(kit.store, first))[1] == set()


def test_the_same_content_is_the_same_version_whichever_way_it_came(kit: Kit) -> None:
    """The versions' history is lost, and the data set made again from its inputs alone."""
    update_dataset(kit.store)
    for _ in range(3):
        kit.member()
    gone = kit.member()
    kit.judge(gone, state="rejected")
    update_dataset(kit.store)
    before = kit.version()
    log = dataset_versions(kit.store)
    for number in list(log.numbers()):
        log.delete(number)
    again = Version(kit.store, update_dataset(kit.store))
    assert again.number == 1
    assert again.fingerprint == before.fingerprint
    assert again.record == before.record
    assert list(again.faces()) == list(before.faces())


def test_an_old_version_can_be_read(kit: Kit) -> None:
    first = kit.member()
    old = kit.version()
    rows = list(old.faces())
    kit.celebrities("Ana", "Bo", "Cy")
    kit.judge(first, rows=5)
    kit.member()
    again = read_version(kit.store, old.number)
    assert list(again.faces()) == rows
    assert len(list(kit.version().faces())) == 18 + 5 + 3
    with pytest.raises(ObjectMissingError):
        read_version(kit.store, 99)


def test_one_more_upload_asks_for_nobody_who_was_there(kit: Kit, store: ObjectStore) -> None:
    """Requests and the bytes they carry, with 3 and with 40 uploads before."""
    requests: list[tuple[str, int]] = []

    def note(model: OperationModel, params: Mapping[str, Any], **_: object) -> None:
        # Counted before they are sent: on a busy machine one is sent again, and the lease renewed.
        # That is a matter of time, not of people.
        if params.get("Key") != layout.DATASET_LEASE:
            requests.append((model.name, len(params.get("Body", b""))))

    store.client.meta.events.register("provide-client-params.s3", note)
    counted: list[tuple[Counter[str], int]] = []
    for before in (3, 40):
        for _ in range(before - kit.version().record.users):
            kit.judge(kit.upload())
        # Whose list nobody is in yet: an upload in seven of them would read one that is there.
        lists = {list_of(person_of(one)) for one in members(kit.version())}
        while list_of(person_of(new := kit.upload())) in lists:
            pass
        kit.judge(new)
        for key, body in kit.store.everything():
            if not key.endswith((".png", ".parquet")):
                store.overwrite(key, body)
        requests.clear()
        update_dataset(store)
        counted.append((Counter(name for name, _ in requests), sum(size for _, size in requests)))
        assert new in members(read_version(store))
    (few, few_bytes), (many, many_bytes) = counted
    assert few["PutObject"] > 0
    assert many == few
    assert many_bytes < few_bytes + 40 * 250  # a line in the manifest for each list of uploads


def test_processes_that_bring_people_in_at_once_lose_nobody(kit: Kit, store: ObjectStore) -> None:
    update_dataset(kit.store)
    uploads = [kit.upload() for _ in range(WRITERS)]
    for upload_id in uploads:
        kit.judge(upload_id)
    for key in list(kit.store.list(f"{layout.CHANGES}/")):
        kit.store.delete(key)
    kit.copied(store)
    context = fast_starting()
    start = context.Barrier(WRITERS)
    writers = [
        context.Process(target=bring_in, args=(store.bucket, upload_id, start))
        for upload_id in uploads
    ]
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
    assert [process.exitcode for process in writers] == [0] * WRITERS
    assert members(read_version(store)) == set(uploads)
    numbers = list(dataset_versions(store).numbers())
    assert numbers == list(range(len(numbers), 0, -1))
    assert len(numbers) > 1


def test_a_verdict_of_an_upload_that_is_gone_changes_nothing(kit: Kit) -> None:
    update_dataset(kit.store)
    note_verdict(kit.store, new_upload_id(), 1)
    assert update_dataset(kit.store).number == 1


def test_a_version_of_an_earlier_schema_is_followed_by_one_of_all_verdicts(kit: Kit) -> None:
    """It named all shards one by one, and no list of uploads."""
    uploads = {kit.member() for _ in range(2)}
    before = kit.version()
    log = dataset_versions(kit.store)
    for number in list(log.numbers()):
        log.delete(number)
    kit.store.put_new(log.key(1), example("DatasetVersion-first"))
    again = Version(kit.store, update_dataset(kit.store))
    assert again.number == 2
    assert members(again) == uploads
    assert again.record == before.record
    assert set(again.changes_since(read_version(kit.store, 1))[0]) == uploads
