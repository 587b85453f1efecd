"""An erasure that is asked for with the code: by whoever was given it, and nobody else."""

from __future__ import annotations

import pytest

from twin_matcher_dagster.erasure.request import erase_with_code
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import CodeError
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster.uploads.ownership import TRIES_AN_HOUR
from twin_matcher_dagster.uploads.submission import new_upload_id, submit
from twin_matcher_dagster_tests.erasure.conftest import DAY, ON_S3
from twin_matcher_dagster_tests.kit import CODE, Kit, contents


def test_the_code_erases_however_it_is_typed(kit: Kit, leaving: str) -> None:
    code = CODE.lower().replace("-", " ")
    assert erase_with_code(kit.store, f" {leaving.lower()} ", code, DAY).deleted
    assert get_tombstone(kit.store, leaving)
    # Asked again, it completes what may be left.
    assert erase_with_code(kit.store, leaving, CODE, DAY).tombstone.upload_id == leaving
    assert verify(kit.store, leaving).left == []


def test_a_wrong_code_and_an_unknown_upload_get_the_same_answer(kit: Kit, leaving: str) -> None:
    answers = []
    for upload_id, code in ((leaving, CODE[::-1]), (new_upload_id(), CODE), ("../x", CODE)):
        with pytest.raises(CodeError) as refused:
            erase_with_code(kit.store, upload_id, code, DAY)
        answers.append(str(refused.value))
    assert len(set(answers)) == 1
    assert get_manifest(kit.store, leaving)
    assert get_tombstone(kit.store, leaving) is None


def test_an_upload_without_a_code_is_not_erased_by_an_empty_one(kit: Kit) -> None:
    upload_id = submit(kit.store, kit.pictures(1), "No code", Consent.now())
    for code in ("", "0", "-"):
        with pytest.raises(CodeError):
            erase_with_code(kit.store, upload_id, code, DAY)


@ON_S3
def test_wrong_codes_are_limited_and_lock_nobody_out(kit: Kit, leaving: str) -> None:
    for _ in range(TRIES_AN_HOUR):
        with pytest.raises(CodeError, match="do not belong together"):
            erase_with_code(kit.store, leaving, "WRONG", DAY)
    for code in ("WRONG", "\ud800", ""):
        with pytest.raises(CodeError, match="Try again in an hour"):
            erase_with_code(kit.store, leaving, code, DAY)
    assert get_tombstone(kit.store, leaving) is None
    # A stranger who tries must not keep the owner from it.
    assert erase_with_code(kit.store, leaving, CODE, DAY).deleted


def test_codes_for_unknown_uploads_leave_nothing(kit: Kit) -> None:
    before = contents(kit.store)
    with pytest.raises(CodeError):
        erase_with_code(kit.store, new_upload_id(), CODE, DAY)
    assert contents(kit.store) == before
