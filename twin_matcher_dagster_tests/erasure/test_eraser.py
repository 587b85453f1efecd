"""Erasure: everything goes, whatever interrupts it, and it can be proven."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from twin_matcher_dagster.dataset.versions import note_verdict, read_version, update_dataset
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.request import TRIES_AN_HOUR, erase_with_code
from twin_matcher_dagster.erasure.retention import collect_garbage, purge_models
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import ErasureError, NoReleaseError, UploadError
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage import layout, lock
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.tombstones import get_tombstone, tombstone_key
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster.uploads.submission import new_upload_id, submit
from twin_matcher_dagster_tests.world import CODE, World

DAY = timedelta(days=1)


class Killed(BaseException):
    """The process ends here: no code of ours sees it."""


@pytest.fixture
def world(store: ObjectStore) -> World:
    """Two users in the data set, the model, the index and the release."""
    made = World(store)
    made.member()
    made.release(made.train())
    return made


@pytest.fixture
def leaving(world: World) -> str:
    """A user who is in everything, whom somebody else resembles, and who will be erased."""
    upload_id = world.member()
    world.release(world.train())
    other = world.upload(name="Somebody else")
    world.judge(other, accepted=False, flags=(f"looks like ({user_id(upload_id)}): 0.9",))
    world.member()
    return upload_id


def everything(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list("")}


def pictures_of(store: ObjectStore, upload_id: str) -> set[bytes]:
    """Bytes that only this upload's pictures have."""
    rows = list(read_version(store).faces())
    crops = {key: store.get(key) for key in store.list(f"{layout.UPLOAD_FACES}/")}
    own = [data for key, data in crops.items() if upload_id in key]
    faces = [face.image for face in rows if face.upload_id == upload_id]
    others = [data for key, data in crops.items() if upload_id not in key]
    others += [face.image for face in rows if face.upload_id != upload_id]
    assert own
    assert faces
    found = set()
    for data in [*own, *faces]:
        # Crops are of large blocks: some of what PNG makes of them is the same in all.
        parts = (data[at : at + 40] for at in range(len(data) // 2, len(data) - 40))
        found.add(next(part for part in parts if not any(part in other for other in others)))
    return found


def test_nothing_is_left_but_the_tombstone(world: World, leaving: str) -> None:
    store = world.store
    pictures = pictures_of(store, leaving)
    assert verify(store, leaving).left
    assert sum(picture in data for data in everything(store).values() for picture in pictures) >= 6
    done = erase(store, leaving, DAY)
    left = everything(store)
    assert not [key for key, data in left.items() for picture in pictures if picture in data]
    named = [key for key, data in left.items() if leaving in key or leaving.encode() in data]
    # The model in production learned from the upload: its manifest says so until it is replaced.
    model = ManifestLog(store, layout.log(layout.MODELS)).head()
    assert model
    assert sorted(named) == sorted([tombstone_key(leaving), model.key])
    proof = verify(store, leaving)
    assert proof.objects == len(left)
    assert proof.left == []
    assert proof.pending == [model.key]
    assert proof.proven
    assert done.pending == proof.retrain_by == done.tombstone.retrain_by
    assert set(json.loads(left[tombstone_key(leaving)])) == {
        "erased_at",
        "retrain_by",
        "code_hash",
    }


def test_the_others_are_as_they_were(world: World, leaving: str) -> None:
    before = read_version(world.store)
    others = [face for face in before.faces() if face.upload_id != leaving]
    release = ManifestLog(world.store, layout.log(layout.RELEASES)).head()
    assert release
    gallery = world.store.get(release.body["index"])
    erase(world.store, leaving, DAY)
    after = read_version(world.store)
    assert list(after.faces()) == others
    assert after.fingerprint != before.fingerprint
    again = ManifestLog(world.store, layout.log(layout.RELEASES)).head()
    assert again
    assert again.number == release.number + 1  # the page looks for a newer number
    who = {person["identity_id"] for person in release.body["identities"]}
    assert {person["identity_id"] for person in again.body["identities"]} == who - {
        user_id(leaving)
    }
    old = Gallery.from_bytes(gallery)
    new = Gallery.from_bytes(world.store.get(again.body["index"]))
    assert user_id(leaving) not in new.identities
    for who in new.identities:
        before, now = (list(one.identities).index(who) for one in (old, new))
        assert np.array_equal(old.rows[before], new.rows[now])
        assert np.array_equal(old.templates[before], new.templates[now])


def test_who_was_imprinted_only_leaves_no_model_to_replace(world: World) -> None:
    """They came after the training: the index knows them, the weights do not."""
    upload_id = world.member()
    model = ManifestLog(world.store, layout.log(layout.MODELS)).head()
    assert model
    release = world.release(model)
    assert release.body["imprinted"] == [user_id(upload_id)]
    done = erase(world.store, upload_id, DAY)
    assert done.pending is None
    proof = verify(world.store, upload_id)
    assert (proof.left, proof.pending) == ([], [])
    again = ManifestLog(world.store, layout.log(layout.RELEASES)).head()
    assert again
    assert again.body["imprinted"] == []
    assert again.body["answers"] == release.body["answers"]


def test_every_version_of_the_data_set_can_still_be_read(world: World, leaving: str) -> None:
    log = ManifestLog(world.store, layout.log(layout.DATASETS))
    numbers = list(log.numbers())
    had = [
        n for n in numbers if leaving in {m.upload_id for m in read_version(world.store, n).members}
    ]
    assert len(had) >= 2
    done = erase(world.store, leaving, DAY)
    assert done.rewritten >= len(had)
    for number in numbers:
        assert leaving not in {face.upload_id for face in read_version(world.store, number).faces()}


def test_killed_at_any_write_it_is_completed_by_the_next_try(
    world: World, leaving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before its first write, before its second, its third, until it is through."""
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.0)
    store = world.store
    left = [0]

    def count(**_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    for write in ("PutObject", "DeleteObject"):
        store.client.meta.events.register(f"before-send.s3.{write}", count)
    cut_off = 0
    while True:
        left[0] = cut_off
        try:
            erase(store, leaving, DAY)
        except Killed:
            cut_off += 1
        else:
            break
    assert cut_off > 5
    left[0] = 1000
    assert verify(store, leaving).left == []
    assert len(list(read_version(store).faces())) == read_version(store).body["rows"]
    assert erase(store, leaving, DAY).deleted == 0


def test_a_late_retry_of_the_upload_does_not_bring_it_back(world: World, leaving: str) -> None:
    erase(world.store, leaving, DAY)
    with pytest.raises(UploadError, match="was erased"):
        submit(world.store, world.pictures(3), "Zoë", Consent.now(), leaving)
    note_verdict(world.store, leaving, 1)
    update_dataset(world.store)
    assert leaving not in {member.upload_id for member in read_version(world.store).members}


def test_an_upload_that_is_erased_while_it_is_sent_leaves_nothing(world: World) -> None:
    upload_id = new_upload_id()

    def progress(share: float) -> None:
        if share == 1.0:
            erase(world.store, upload_id, DAY)

    with pytest.raises(UploadError, match="was erased"):
        submit(world.store, world.pictures(3), "Zoë", Consent.now(), upload_id, progress=progress)
    assert verify(world.store, upload_id).left == []


def test_the_next_release_takes_the_tainted_model_away(world: World, leaving: str) -> None:
    erase(world.store, leaving, DAY)
    world.release(world.train())
    assert purge_models(world.store) > 0
    proof = verify(world.store, leaving)
    assert (proof.left, proof.pending) == ([], [])


def test_a_release_that_was_not_retrained_in_time_is_withdrawn(world: World, leaving: str) -> None:
    erase(world.store, leaving, DAY)
    late = datetime.now(timezone.utc) + DAY + timedelta(minutes=1)
    assert purge_models(world.store, late) > 0
    assert verify(world.store, leaving).pending == []
    with pytest.raises(NoReleaseError, match="withdrawn"):
        Production(world.store).finder()
    assert purge_models(world.store, late) == 0


def test_the_code_erases_however_it_is_typed(world: World, leaving: str) -> None:
    code = CODE.lower().replace("-", " ")
    assert erase_with_code(world.store, f" {leaving.lower()} ", code, DAY).deleted
    assert get_tombstone(world.store, leaving)
    # Asked again, it completes what may be left.
    assert erase_with_code(world.store, leaving, CODE, DAY).tombstone.upload_id == leaving
    assert verify(world.store, leaving).left == []


def test_a_wrong_code_and_an_unknown_upload_get_the_same_answer(world: World, leaving: str) -> None:
    answers = []
    for upload_id, code in ((leaving, CODE[::-1]), (new_upload_id(), CODE), ("../x", CODE)):
        with pytest.raises(ErasureError) as refused:
            erase_with_code(world.store, upload_id, code, DAY)
        answers.append(str(refused.value))
    assert len(set(answers)) == 1
    assert get_manifest(world.store, leaving)
    assert get_tombstone(world.store, leaving) is None


def test_an_upload_without_a_code_is_not_erased_by_an_empty_one(world: World) -> None:
    upload_id = submit(world.store, world.pictures(1), "No code", Consent.now())
    for code in ("", "0", "-"):
        with pytest.raises(ErasureError):
            erase_with_code(world.store, upload_id, code, DAY)


def test_wrong_codes_are_limited_and_lock_nobody_out(world: World, leaving: str) -> None:
    for _ in range(TRIES_AN_HOUR):
        with pytest.raises(ErasureError, match="do not belong together"):
            erase_with_code(world.store, leaving, "WRONG", DAY)
    for code in ("WRONG", "\ud800", ""):
        with pytest.raises(ErasureError, match="Try again in an hour"):
            erase_with_code(world.store, leaving, code, DAY)
    assert get_tombstone(world.store, leaving) is None
    # A stranger who tries must not keep the owner from it.
    assert erase_with_code(world.store, leaving, CODE, DAY).deleted


def test_codes_for_unknown_uploads_leave_nothing(world: World) -> None:
    before = everything(world.store)
    with pytest.raises(ErasureError):
        erase_with_code(world.store, new_upload_id(), CODE, DAY)
    assert everything(world.store) == before


@pytest.mark.parametrize("text", ["", " ", "../x", "*", "0" * 10_000, "users", "01J00"])
def test_what_is_no_upload_id_deletes_nothing(world: World, text: str) -> None:
    """An empty variable in an operator's shell, for one."""
    before = everything(world.store)
    with pytest.raises(ErasureError, match="is no upload id"):
        erase(world.store, text, DAY)
    with pytest.raises(ErasureError, match="is no upload id"):
        verify(world.store, text)
    assert everything(world.store) == before


def test_what_was_never_erased_is_not_proven(world: World, leaving: str) -> None:
    assert not verify(world.store, new_upload_id()).proven
    erase(world.store, f" {leaving.lower()}", DAY)
    assert verify(world.store, leaving.lower()).proven


def test_erasures_and_new_people_at_once_leave_every_version_readable(world: World) -> None:
    """Several erasures, one of them twice, while others come in."""
    uploads = [world.member() for _ in range(4)]
    new = [world.upload() for _ in range(3)]
    for upload_id in new:
        world.judge(upload_id)
    with ThreadPoolExecutor(7) as pool:
        erasures = [pool.submit(erase, world.store, who, DAY) for who in [*uploads, uploads[0]]]
        updates = [pool.submit(update_dataset, world.store) for _ in range(2)]
        for done in [*erasures, *updates]:
            done.result()
    update_dataset(world.store)
    for number in ManifestLog(world.store, layout.log(layout.DATASETS)).numbers():
        version = read_version(world.store, number)
        assert len(list(version.faces())) == version.body["rows"]
    assert {one.upload_id for one in read_version(world.store).members} >= set(new)
    for upload_id in uploads:
        assert verify(world.store, upload_id).left == []


def test_a_note_of_an_operator_does_not_keep_the_id(world: World, leaving: str) -> None:
    other = world.upload()
    world.judge(other, accepted=False, flags=(f"same person as {leaving}",))
    erase(world.store, leaving, DAY)
    assert verify(world.store, leaving).left == []


def test_nobody_is_not_erased(world: World) -> None:
    with pytest.raises(ErasureError, match="There is no upload"):
        erase(world.store, new_upload_id(), DAY)


def test_a_bucket_that_keeps_old_versions_keeps_none_of_an_erased_upload(
    store: ObjectStore,
) -> None:
    store.client.put_bucket_versioning(
        Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    world = World(store)
    upload_id = world.member()
    world.release(world.train())
    assert verify(store, upload_id).left
    erase(store, upload_id, DAY)
    proof = verify(store, upload_id)
    assert proof.left == []
    assert proof.objects >= len(everything(store))


def test_old_versions_go_and_what_is_in_use_stays(world: World, leaving: str) -> None:
    for number in range(2, 5):
        world.celebrities(number)
        update_dataset(world.store)
    world.release(world.train())
    store = world.store
    later = datetime.now(timezone.utc) + 2 * DAY
    before = len(everything(store))
    newest = list(read_version(store).faces())
    assert collect_garbage(store, keep=1, now=later) > 0
    assert len(everything(store)) < before
    assert list(read_version(store).faces()) == newest
    for folder in (layout.RAW, layout.BALANCED, layout.DATASETS, layout.MODELS, layout.RELEASES):
        assert len(list(ManifestLog(store, layout.log(folder)).numbers())) == 1
    assert collect_garbage(store, keep=1, now=later) == 0


def test_objects_of_others_are_not_touched(world: World) -> None:
    """A bucket may be shared."""
    others = ["photos/files/" + "0" * 64 + ".jpg", "users/readme.txt", "notes.json", "models/x.bin"]
    for key in others:
        world.store.put_new(key, b"not ours")
    collect_garbage(world.store, keep=1, now=datetime.now(timezone.utc) + 2 * DAY)
    assert [world.store.get(key) for key in others] == [b"not ours"] * len(others)


def test_a_release_made_during_an_erasure_does_not_stop_the_next_try(
    world: World, leaving: str
) -> None:
    """It names the upload, and an index that is gone: the one before takes its place."""
    releases = ManifestLog(world.store, layout.log(layout.RELEASES))
    during = releases.head()
    assert during
    erase(world.store, leaving, DAY)
    good = releases.head()
    assert good
    releases.append(during.body)
    erase(world.store, leaving, DAY)
    now = releases.head()
    assert now
    assert now.number > good.number + 1
    assert now.body == good.body
    assert verify(world.store, leaving).left == []


def test_what_is_being_written_is_not_taken_for_garbage(world: World) -> None:
    world.store.put_new(layout.shard(layout.BALANCED, "0" * 64), b"its manifest follows")
    world.store.put_new(f"{layout.UPLOAD_FACES}/{new_upload_id()}/000.png", b"on its way")
    before = everything(world.store)
    assert collect_garbage(world.store, keep=10) == 0
    assert everything(world.store) == before
    assert collect_garbage(world.store, keep=10, now=datetime.now(timezone.utc) + 2 * DAY) == 2
