"""Erasure of one clip of somebody who handed in two: each has its own code and its own end."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.request import erase_with_code
from twin_matcher_dagster.erasure.retention import collect_garbage
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import CodeError
from twin_matcher_dagster.storage.logs import dataset_versions, verdicts
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster_tests.erasure.conftest import DAY
from twin_matcher_dagster_tests.kit import CODE, Kit


@pytest.fixture
def second(kit: Kit, leaving: str) -> str:
    """Another clip of the person who is leaving; the release names it nowhere."""
    upload_id = kit.another_clip(leaving)
    kit.release()
    return upload_id


def test_without_the_first_the_second_is_that_person(kit: Kit, leaving: str, second: str) -> None:
    third = kit.another_clip(leaving)
    kept = len(list(read_version(kit.store).faces()))
    erase(kit.store, leaving, DAY)
    assert verify(kit.store, leaving).left == []
    version = read_version(kit.store)
    assert second in version.upload_ids
    clips = [(one.upload_id, one.enrolled.upload_id) for one in version.other_clips]
    assert clips == [(third, second)]
    faces = list(version.faces())
    assert len(faces) == version.record.rows == kept - 3
    assert {f.identity_id for f in faces if f.upload_id in (second, third)} == {user_id(second)}
    # The word on them stands, and says whose they are without naming who left.
    for upload_id in (second, third):
        assert verdicts(kit.store, upload_id).existing_head().record.accepted
    assert kit.version().fingerprint == version.fingerprint
    # Enrolled by the next index; until then the page shows this person to nobody.
    shown = {one.identity_id for one in kit.production().record.identities}
    assert not shown & {user_id(leaving), user_id(second)}
    released = {one.identity_id for one in kit.release().record.identities}
    assert user_id(second) in released
    assert user_id(third) not in released


def test_without_the_second_nobody_else_changes(kit: Kit, leaving: str, second: str) -> None:
    release = kit.production()
    assert not release.record.names(second)
    done = erase(kit.store, second, DAY)
    assert done.pending is None  # no model learnt from it, so none has to be replaced
    assert verify(kit.store, second).proven
    assert kit.production() == release
    version = read_version(kit.store)
    assert leaving in version.upload_ids
    assert version.other_clips == ()
    for number in dataset_versions(kit.store).numbers():
        one = read_version(kit.store, number)
        assert len(list(one.faces())) == one.record.rows


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_both_nothing_is_left(
    kit: Kit, leaving: str, second: str, order: tuple[int, int]
) -> None:
    uploads = (leaving, second)
    for one in order:
        erase(kit.store, uploads[one], DAY)
    for upload_id in uploads:
        assert verify(kit.store, upload_id).left == []
    version = read_version(kit.store)
    assert not {leaving, second} & {face.upload_id for face in version.faces()}


def test_each_has_a_code_of_its_own(kit: Kit, leaving: str, second: str) -> None:
    with pytest.raises(CodeError, match="do not belong together"):
        erase_with_code(kit.store, second, f"{CODE[:-1]}Z", DAY)
    erase_with_code(kit.store, second, CODE, DAY)
    assert leaving in read_version(kit.store).upload_ids


def test_retention_keeps_what_is_held_out(kit: Kit, leaving: str, second: str) -> None:
    assert collect_garbage(kit.store, keep=1, now=datetime.now(timezone.utc) + 2 * DAY) > 0
    version = read_version(kit.store)
    assert leaving in version.upload_ids
    assert [one.upload_id for one in version.other_clips] == [second]
    assert len(list(version.faces())) == version.record.rows
