"""What waits for a person, and what it costs to look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from twin_matcher_dagster.celebrities.findings import (
    FIRST_NAMESAKE,
    LOOKS_LIKE,
    NEAR_DUPLICATE,
    SECOND_NAMESAKE,
    SECOND_PERSON,
    Finding,
)
from twin_matcher_dagster.dataset.versions import update_dataset
from twin_matcher_dagster.erasure.deadlines import deadline_of
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.review.deciding import decide
from twin_matcher_dagster.review.waiting import Waiting, Waitlist, questions_in
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import models
from twin_matcher_dagster.storage.records.training import Refused
from twin_matcher_dagster.storage.tombstones import erased_uploads
from twin_matcher_dagster.uploads.decisions import UploadDecision
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.review.desk import RITA

DAY = timedelta(days=1)


@pytest.fixture
def kit() -> Kit:
    made = Kit(memory_bucket())
    made.celebrities()
    return made


def test_nothing_waits_in_a_bucket_that_is_in_order(kit: Kit) -> None:
    kit.member()
    kit.release()
    found = Waitlist(kit.store).look()
    assert found == Waiting()
    assert found.in_a_sentence == "Nothing waits for a person."


def test_flagged_uploads_wait_the_oldest_first(kit: Kit) -> None:
    uploads = [kit.upload() for _ in range(3)]
    for upload_id in uploads:
        kit.judge(upload_id, state="flagged", flags=("why",))
    decide(kit.store, RITA, uploads[1], UploadDecision.reject)
    found = Waitlist(kit.store).look()
    assert {one.upload_id: one.decided for one in found.uploads} == {
        one: one == uploads[1] for one in uploads
    }
    assert found.flagged == found.count == 3
    assert Waitlist(kit.store).look(briefly=True).uploads == ()


def test_a_damaged_verdict_hides_nobody(kit: Kit) -> None:
    one, other = kit.upload(), kit.upload()
    for upload_id in (one, other):
        kit.judge(upload_id, state="flagged")
    kit.store.overwrite(f"{layout.log(layout.user(one))}/99999998.json", b"{")
    assert {o.upload_id for o in Waitlist(kit.store).look().uploads} == {one, other}


def test_a_refused_model_and_a_deadline_wait(kit: Kit) -> None:
    upload_id = kit.member()
    model = kit.train()
    kit.release(model)
    assert deadline_of(kit.store, []) is None
    models(kit.store).append(replace(model.record, refused=Refused(7, 1, "data")))
    found = Waitlist(kit.store).look()
    assert found.refused
    assert found.refused.number == 7
    assert found.in_a_sentence == "For a person to look at: a refused model."
    erase(kit.store, upload_id, DAY)
    found = Waitlist(kit.store).look()
    assert found.deadline
    assert found.deadline.uploads == 1
    assert found.deadline.replace_by - found.deadline.erased_at == DAY
    assert found.in_a_sentence == "For a person to look at: an erasure with a deadline."
    update_dataset(kit.store)
    kit.release(kit.train())
    assert deadline_of(kit.store, erased_uploads(kit.store)) is None


def test_what_no_rule_may_decide_about_celebrities_is_asked() -> None:
    table = [
        Finding("1", "Ana", "c-1", FIRST_NAMESAKE),
        Finding("2", "Ana", "c-1", SECOND_NAMESAKE),
        Finding("3", "Bo", "c-2", SECOND_PERSON),
        Finding("4", "Cy", "c-3", LOOKS_LIKE, other="c-2"),
        Finding("5", "Cy", "c-3", LOOKS_LIKE, other="c-2"),
        Finding("6", "Di", "c-4", NEAR_DUPLICATE),
        Finding("7", "Ed", "c-5", LOOKS_LIKE, other="c-2", decision="keep"),
    ]
    assert [(one.who, one.what.split("?")[0], one.images) for one in questions_in(table)] == [
        ("Ana", "Two people under one name", 2),
        ("Bo", "A second person under this name", 1),
        ("Cy", "Bo under this name", 2),
    ]
