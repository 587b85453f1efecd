"""Erasure: everything goes, whatever interrupts it, and it can be proven."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import save

from twin_matcher_dagster.dataset.versions import note_verdict, read_version, update_dataset
from twin_matcher_dagster.erasure.eraser import erase, erase_again
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import ErasureError, UploadError
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.storage import layout, lease
from twin_matcher_dagster.storage.logs import dataset_versions, models, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.release import Withdrawn
from twin_matcher_dagster.storage.tombstones import get_tombstone, tombstone_key
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.submission import new_upload_id, submit
from twin_matcher_dagster_tests.erasure.conftest import DAY, ON_S3
from twin_matcher_dagster_tests.kit import Kit, contents


class Killed(BaseException):
    """The process ends here: no code of ours sees it."""


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


@ON_S3
def test_nothing_is_left_but_the_tombstone(kit: Kit, leaving: str) -> None:
    store = kit.store
    pictures = pictures_of(store, leaving)
    assert verify(store, leaving).left
    assert sum(picture in data for data in contents(store).values() for picture in pictures) >= 6
    done = erase(store, leaving, DAY)
    left = contents(store)
    assert not [key for key, data in left.items() for picture in pictures if picture in data]
    named = [key for key, data in left.items() if leaving in key or leaving.encode() in data]
    # The model in production learned from the upload: its manifest says so until it is replaced.
    model = models(store).existing_head()
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


def test_the_others_are_as_they_were(kit: Kit, leaving: str) -> None:
    before = read_version(kit.store)
    others = [face for face in before.faces() if face.upload_id != leaving]
    release = kit.production()
    gallery = kit.store.get(release.record.index)
    erase(kit.store, leaving, DAY)
    after = read_version(kit.store)
    assert list(after.faces()) == others
    assert after.fingerprint != before.fingerprint
    again = kit.production()
    assert again.number == release.number + 1  # the page looks for a newer number
    who = {person.identity_id for person in release.record.identities}
    assert {person.identity_id for person in again.record.identities} == who - {user_id(leaving)}
    old = Gallery.from_bytes(gallery)
    new = Gallery.from_bytes(kit.store.get(again.record.index))
    assert user_id(leaving) not in new.identities
    for who in new.identities:
        before, now = (list(one.identities).index(who) for one in (old, new))
        assert np.array_equal(old.rows[before], new.rows[now])
        assert np.array_equal(old.templates[before], new.templates[now])


def test_who_was_imprinted_only_leaves_no_model_to_replace(kit: Kit) -> None:
    """They came after the training: the index knows them, the weights do not."""
    upload_id = kit.member()
    release = kit.release(models(kit.store).existing_head())
    assert release.record.imprinted == (user_id(upload_id),)
    done = erase(kit.store, upload_id, DAY)
    assert done.pending is None
    proof = verify(kit.store, upload_id)
    assert (proof.left, proof.pending) == ([], [])
    again = kit.production()
    assert again.record.imprinted == ()
    assert again.record.answers == release.record.answers


def test_every_version_of_the_data_set_can_still_be_read(kit: Kit, leaving: str) -> None:
    log = dataset_versions(kit.store)
    numbers = list(log.numbers())
    had = [
        n for n in numbers if leaving in {m.upload_id for m in read_version(kit.store, n).members}
    ]
    assert len(had) >= 2
    done = erase(kit.store, leaving, DAY)
    assert done.rewritten >= len(had)
    for number in numbers:
        assert leaving not in {face.upload_id for face in read_version(kit.store, number).faces()}


@ON_S3
def test_killed_at_any_write_it_is_completed_by_the_next_try(
    kit: Kit, leaving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before its first write, before its second, its third, until it is through."""
    monkeypatch.setattr(lease, "EXPIRES_AFTER_S", 0.0)
    store = kit.store
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
    assert len(list(read_version(store).faces())) == read_version(store).record.rows
    assert erase(store, leaving, DAY).deleted == 0


def test_a_late_retry_of_the_upload_does_not_bring_it_back(kit: Kit, leaving: str) -> None:
    erase(kit.store, leaving, DAY)
    with pytest.raises(UploadError, match="was erased"):
        submit(kit.store, kit.pictures(3), "Zoë", Consent.now(), leaving)
    note_verdict(kit.store, leaving, 1)
    update_dataset(kit.store)
    assert leaving not in {member.upload_id for member in read_version(kit.store).members}


def test_an_upload_that_is_erased_while_it_is_sent_leaves_nothing(kit: Kit) -> None:
    upload_id = new_upload_id()

    def progress(share: float) -> None:
        if share == 1.0:
            erase(kit.store, upload_id, DAY)

    with pytest.raises(UploadError, match="was erased"):
        submit(kit.store, kit.pictures(3), "Zoë", Consent.now(), upload_id, progress=progress)
    assert verify(kit.store, upload_id).left == []


def test_what_is_no_upload_id_deletes_nothing(kit: Kit) -> None:
    """An empty variable in an operator's shell, for one."""
    before = contents(kit.store)
    for text in ("", " ", "../x", "*", "0" * 10_000, "users", "01J00"):
        with pytest.raises(ErasureError, match="is no upload id"):
            erase(kit.store, text, DAY)
        with pytest.raises(ErasureError, match="is no upload id"):
            verify(kit.store, text)
        assert contents(kit.store) == before, text


def test_erasures_and_new_people_at_once_leave_every_version_readable(
    kit: Kit, store: ObjectStore
) -> None:
    """Several erasures, one of them twice, while others come in."""
    uploads = [kit.member() for _ in range(4)]
    new = [kit.upload() for _ in range(3)]
    for upload_id in new:
        kit.judge(upload_id)
    kit.copied(store)
    with ThreadPoolExecutor(7) as pool:
        erasures = [pool.submit(erase, store, who, DAY) for who in [*uploads, uploads[0]]]
        updates = [pool.submit(update_dataset, store) for _ in range(2)]
        for done in [*erasures, *updates]:
            done.result()
    update_dataset(store)
    for number in dataset_versions(store).numbers():
        version = read_version(store, number)
        assert len(list(version.faces())) == version.record.rows
    assert {one.upload_id for one in read_version(store).members} >= set(new)
    for upload_id in uploads:
        assert verify(store, upload_id).left == []


def test_a_note_of_an_operator_does_not_keep_the_id(kit: Kit, leaving: str) -> None:
    other = kit.upload()
    kit.judge(other, state="rejected", flags=(f"same person as {leaving}",))
    erase(kit.store, leaving, DAY)
    assert verify(kit.store, leaving).left == []


def test_nobody_is_not_erased(kit: Kit) -> None:
    with pytest.raises(ErasureError, match="There is no upload"):
        erase(kit.store, new_upload_id(), DAY)


def test_a_release_made_during_an_erasure_does_not_stop_the_next_try(
    kit: Kit, leaving: str
) -> None:
    """It names the upload, and an index that is gone: the one before takes its place."""
    during = kit.production()
    erase(kit.store, leaving, DAY)
    good = kit.production()
    releases(kit.store).append(during.record)
    erase(kit.store, leaving, DAY)
    now = kit.production()
    assert now.number > good.number + 1
    assert now.record == good.record
    assert verify(kit.store, leaving).left == []


def test_what_is_erased_again_is_what_was_erased_before(kit: Kit, leaving: str) -> None:
    """Something was made of them meanwhile; whoever was not erased stays."""
    during = kit.production()
    stays = kit.member()
    erase_again(kit.store, [leaving, stays])
    assert get_tombstone(kit.store, leaving) is None
    stone = erase(kit.store, leaving, DAY).tombstone
    releases(kit.store).append(during.record)
    erase_again(kit.store, [leaving, stays, leaving])
    assert verify(kit.store, leaving).left == []
    assert get_tombstone(kit.store, leaving) == stone  # the first word stands
    assert stays in read_version(kit.store).upload_ids


def test_an_index_of_an_earlier_version_is_no_obstacle(bucket: ObjectStore) -> None:
    """It cannot be read, so it cannot be written without them: there is no release for a while."""
    kit = Kit(bucket)
    kit.celebrities()
    upload_id = kit.member()
    release = kit.release().record
    old = save({"embeddings": np.zeros((1, 2), np.float32)}, metadata={"identities": "[]"})
    bucket.overwrite(release.index, old, "application/octet-stream")
    erase(bucket, upload_id, DAY)
    head = releases(bucket).existing_head().record
    assert head == Withdrawn.because("it was made during an erasure")
    assert verify(bucket, upload_id).left == []
