"""Erasures beside one another and beside the data set, whoever is paused: nobody comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin_matcher_dagster.dataset.versions import read_version, update_dataset
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import LeaseLostError, StorageError
from twin_matcher_dagster.storage import layout, lease
from twin_matcher_dagster.storage.logs import dataset_versions, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.dataset import list_of
from twin_matcher_dagster.storage.records.parts import person_of
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.submission import new_upload_id, submit
from twin_matcher_dagster_tests.erasure.conftest import DAY
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.pauses import paused_at


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "EXPIRES_AFTER_S", 0.4)


def readable(store: ObjectStore) -> None:
    """Every version can be read whole."""
    for number in dataset_versions(store).numbers():
        assert len(list(read_version(store, number).faces())) == (
            read_version(store, number).record.rows
        )


def neighbour(kit: Kit, upload_id: str) -> str:
    """Somebody who is in by the same list as another one."""
    other = new_upload_id()
    while list_of(person_of(other)) != list_of(person_of(upload_id)):
        other = new_upload_id()
    submit(kit.store, kit.pictures(3), "Next door", Consent.now(), other)
    kit.judge(other)
    update_dataset(kit.store)
    return other


@pytest.mark.parametrize("part", [f"{layout.MEMBERS}/", f"{layout.DATASETS}/versions"])
def test_a_version_of_one_that_was_paused_brings_nobody_back(
    kit: Kit, store: ObjectStore, part: str
) -> None:
    """It read the verdict before the erasure, and writes after it."""
    upload_id = kit.upload()
    kit.judge(upload_id)
    staying = kit.upload()
    kit.judge(staying)
    kit = kit.copied(store)
    with paused_at(kit.store, "PutObject", part, update_dataset) as paused:
        erase(kit.store, upload_id, DAY)
    with pytest.raises(LeaseLostError):
        paused.result(60)
    # What it wrote beside the version names nobody else's; the next look takes it away.
    erase(kit.store, upload_id, DAY)
    assert verify(kit.store, upload_id).left == []
    update_dataset(kit.store)
    assert staying in {one.upload_id for one in read_version(kit.store).members}
    assert verify(kit.store, upload_id).left == []
    readable(kit.store)


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        ("PutObject", f"{layout.MEMBERS}/"),
        pytest.param("PutObject", f"{layout.DATASETS}/versions", marks=pytest.mark.slow),
        pytest.param("DeleteObject", f"{layout.MEMBERS}/", marks=pytest.mark.slow),
        pytest.param("PutObject", f"{layout.RELEASES}/versions", marks=pytest.mark.slow),
        ("DeleteObject", f"{layout.RELEASES}/versions"),
    ],
)
def test_an_erasure_that_was_paused_brings_nobody_back(
    kit: Kit, leaving: str, store: ObjectStore, operation: str, part: str
) -> None:
    """Another one runs meanwhile, and people come in."""
    other = neighbour(kit, leaving)
    kit.release(kit.train())
    kit = kit.copied(store)
    with paused_at(kit.store, operation, part, lambda one: erase(one, leaving, DAY)) as paused:
        erase(kit.store, other, DAY)
        new = kit.member()
        newer = replace(kit.production().record, fingerprint="of another run")
        number = releases(kit.store).append(newer).number
    if error := paused.exception(60):
        assert isinstance(error, StorageError)
    assert verify(kit.store, other).left == []
    assert new in {one.upload_id for one in read_version(kit.store).members}
    # What the other run released is followed by itself, without whoever was in it.
    assert releases(kit.store).head_number() >= number
    assert kit.production().record.model == newer.model
    erase(kit.store, leaving, DAY)
    assert verify(kit.store, leaving).left == []
    assert verify(kit.store, other).left == []
    assert not kit.production().record.names(leaving)
    assert new in {one.upload_id for one in read_version(kit.store).members}
    readable(kit.store)
