"""Versions of the data set: small, complete, the same whichever way they came about."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier

import pytest

from twin_matcher_dagster.dataset.versions import (
    Version,
    note_verdict,
    read_version,
    update_dataset,
)
from twin_matcher_dagster.errors import ObjectMissingError, TwinMatcherError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.world import World

WRITERS = 8


@pytest.fixture
def world(store: ObjectStore) -> World:
    return World(store)


def members(version: Version) -> set[str]:
    return {member.upload_id for member in version.members}


def test_without_celebrities_there_is_nothing_to_make(store: ObjectStore) -> None:
    with pytest.raises(TwinMatcherError, match="no balanced_faces in this bucket yet"):
        update_dataset(store)
    with pytest.raises(TwinMatcherError, match="no twin_dataset in this bucket yet"):
        read_version(store)


def test_a_version_adds_up(world: World) -> None:
    update_dataset(world.store)
    one, two = world.member(), world.member()
    version = world.version()
    assert members(version) == {one, two}
    assert version.number == 3
    assert version.body["rows"] == sum(1 for _ in version.faces()) == 12 + 6
    assert version.body["users"] == 2
    assert version.body["splits"] == {"train": 12, "validation": 0, "test": 6}
    assert version.body["identities"] == len(version.identities) == 4
    assert {face.identity_id for face in version.faces()} == {
        "c-0",
        "c-1",
        user_id(one),
        user_id(two),
    }


def test_who_is_not_accepted_is_not_in_and_leaves(world: World) -> None:
    update_dataset(world.store)
    kept, gone, never = world.member(), world.member(), world.upload()
    world.judge(never, accepted=False)
    world.judge(gone, accepted=False)
    update_dataset(world.store)
    assert members(world.version()) == {kept}


def test_nothing_new_is_no_new_version(world: World) -> None:
    world.member()
    head = world.version().number
    assert update_dataset(world.store).number == head
    assert update_dataset(world.store, everything=True).number == head
    assert list(world.store.list(f"{layout.CHANGES}/")) == []


def test_what_came_and_went_between_two_versions(world: World) -> None:
    first = update_dataset(world.store)
    stays, goes = world.member(), world.member()
    before = world.version()
    world.judge(goes, accepted=False)
    comes = world.member()
    came, left = world.version().changes_since(before)
    assert set(came) == {comes}
    assert left == {goes}
    assert set(world.version().changes_since(None)[0]) == {stays, comes}
    assert before.changes_since(Version(world.store, first))[1] == set()


def test_the_same_content_is_the_same_version_whichever_way_it_came(world: World) -> None:
    """The versions' history is lost, and the data set made again from its inputs alone."""
    update_dataset(world.store)
    for _ in range(3):
        world.member()
    gone = world.member()
    world.judge(gone, accepted=False)
    update_dataset(world.store)
    before = world.version()
    log = ManifestLog(world.store, layout.log(layout.DATASETS))
    for number in list(log.numbers()):
        log.delete(number)
    again = Version(world.store, update_dataset(world.store))
    assert again.number == 1
    assert again.fingerprint == before.fingerprint
    assert again.body == before.body
    assert list(again.faces()) == list(before.faces())


def test_an_old_version_can_be_read(world: World) -> None:
    first = world.member()
    old = world.version()
    rows = list(old.faces())
    world.celebrities(2, people=3)
    world.judge(first, rows=5)
    world.member()
    again = read_version(world.store, old.number)
    assert list(again.faces()) == rows
    assert len(list(world.version().faces())) == 18 + 5 + 3
    with pytest.raises(ObjectMissingError):
        read_version(world.store, 99)


def test_one_more_upload_asks_for_nobody_who_was_there(world: World) -> None:
    """Requests and bytes, counted on the wire, with 3 and with 40 uploads before."""
    counted: list[tuple[int, int]] = []
    requests: list[int] = []
    world.store.client.meta.events.register(
        "before-send.s3",
        lambda request, **_: requests.append(int(request.headers.get("Content-Length", 0))),
    )
    for before in (3, 40):
        while world.version().body["users"] < before if counted else len(counted) == 0:
            world.member()
            if world.version().body["users"] >= before:
                break
        new = world.upload()
        world.judge(new)
        requests.clear()
        update_dataset(world.store)
        counted.append((len(requests), sum(requests)))
        assert new in members(world.version())
    (few, few_bytes), (many, many_bytes) = counted
    assert many == few
    assert many_bytes < few_bytes + 40 * 250  # a line in the manifest for each list of uploads


def take_in(bucket: str, upload_id: str, start: Barrier) -> None:
    """One process of several that bring an upload in at once."""
    store = ObjectStore.from_environment(bucket)
    number = ManifestLog(store, layout.log(layout.user(upload_id))).head_number()
    start.wait(60)
    note_verdict(store, upload_id, number)
    update_dataset(store)


def test_processes_that_bring_people_in_at_once_lose_nobody(world: World) -> None:
    update_dataset(world.store)
    uploads = [world.upload() for _ in range(WRITERS)]
    for upload_id in uploads:
        world.judge(upload_id)
    for key in list(world.store.list(f"{layout.CHANGES}/")):
        world.store.delete(key)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(WRITERS)
    writers = [
        context.Process(target=take_in, args=(world.store.bucket, upload_id, start))
        for upload_id in uploads
    ]
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
    assert [process.exitcode for process in writers] == [0] * WRITERS
    assert members(world.version()) == set(uploads)
    numbers = list(ManifestLog(world.store, layout.log(layout.DATASETS)).numbers())
    assert numbers == list(range(len(numbers), 0, -1))
    assert len(numbers) > 1


def test_a_verdict_of_an_upload_that_is_gone_changes_nothing(world: World) -> None:
    update_dataset(world.store)
    note_verdict(world.store, new_upload_id(), 1)
    assert update_dataset(world.store).number == 1
