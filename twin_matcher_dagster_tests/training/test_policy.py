"""When a training is due: every reason that the policy has, and none without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.storage.logs import indexes, models, trainings_due
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.training import Refused
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster.training.policy import RetrainingPolicy, record_due, training_due
from twin_matcher_dagster.uploads.arrivals import settle
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.records import example

NEVER = RetrainingPolicy(10_000, 1.0, 30, 0.0)
FACES = 7


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    """Four celebrities and a model of them; then one person more, who is imprinted."""
    made = Kit(store)
    made.celebrities("Ana", "Bo", "Cy", "Di", splits=["train"])
    made.version()
    model = made.train()
    made.judge(made.upload(), rows=FACES)
    made.version()
    index = made.index(model).record
    indexes(store).append(replace(index, imprinted_found=0.96, fingerprint="measured"))
    return made


def test_without_a_data_set_there_is_nothing_to_train_on(store: ObjectStore) -> None:
    with pytest.raises(TwinMatcherError, match="no twin_dataset in this bucket yet"):
        training_due(store, NEVER)


def test_the_first_model_is_always_due(store: ObjectStore) -> None:
    kit = Kit(store)
    kit.celebrities()
    kit.version()
    assert training_due(store, NEVER).reasons == ["there is no model yet"]


def test_the_policy_has_every_reason(kit: Kit) -> None:
    store = kit.store
    assert training_due(store, NEVER).reasons == []
    assert training_due(store, replace(NEVER, new_faces=FACES)).reasons == [f"{FACES} new faces"]
    assert training_due(store, replace(NEVER, new_faces=FACES + 1)).reasons == []
    assert training_due(store, replace(NEVER, new_share=0.2)).reasons == [
        "20% of the identities are new"
    ]
    (old,) = training_due(store, replace(NEVER, days=0)).reasons
    assert old.endswith("somebody is new")
    (drift,) = training_due(store, replace(NEVER, found=1.01)).reasons
    assert drift.endswith("of new faces fit")


def test_who_left_and_other_celebrities_are_reasons_whatever_the_policy(kit: Kit) -> None:
    kit.train()
    (member,) = read_version(kit.store).members
    kit.judge(member.upload_id, state="rejected")
    kit.version()
    (left,) = training_due(kit.store, NEVER).reasons
    assert left == "1 people whom it learnt are not in the data set any more"
    kit.celebrities("Ana", "Bo")
    kit.version()
    assert training_due(kit.store, NEVER).reasons[1:] == ["the celebrities are others"]


def test_a_crowd_is_learnt_when_it_is_judged(kit: Kit) -> None:
    """One training for all of them, rather than one for each release on the way."""
    eager = RetrainingPolicy(1, 0.01, 0, 0.0)
    waiting = [kit.upload(), kit.upload()]
    due = training_due(kit.store, eager)
    assert due.reasons == []
    assert due.figures["waits"] == "for 2 uploads that are being judged, more than are new"
    # Who left is never waited with, and one straggler holds up nobody.
    kit.celebrities("Ana", "Bo")
    kit.version()
    assert "the celebrities are others" in training_due(kit.store, NEVER).reasons
    settle(kit.store, waiting[0])
    assert training_due(kit.store, eager).reasons


def test_another_clip_is_nobody_new_and_no_model_learns_from_it(kit: Kit) -> None:
    eager = RetrainingPolicy(1, 0.01, 0, 0.0)
    model = kit.train().record
    assert training_due(kit.store, eager).reasons == []
    (member,) = read_version(kit.store).members
    second = kit.another_clip(member.upload_id)
    due = training_due(kit.store, eager)
    assert due.reasons == []
    assert due.figures["new faces"].startswith("0 ")
    assert kit.train().record.uploads == model.uploads == (member.upload_id,)
    # Without the first one it is who is new, and the first is who left.
    kit.judge(member.upload_id, state="rejected")
    kit.version()
    left, new, *_ = training_due(kit.store, eager).reasons
    assert "1 people whom it learnt" in left
    assert new == "3 new faces"
    # Once it was learnt it measures nothing: it is unlearnt when the first one is back.
    assert kit.train().record.uploads == (second,)
    kit.judge(member.upload_id, rows=FACES)
    kit.version()
    assert "1 people whom it learnt" in training_due(kit.store, eager).reasons[0]


def test_an_old_model_is_trained_again_for_somebody_new_alone(kit: Kit) -> None:
    later = datetime.now(timezone.utc) + timedelta(days=31)
    assert training_due(kit.store, NEVER, later).reasons == [
        "it is 31 days old, and somebody is new"
    ]
    kit.train()
    assert training_due(kit.store, NEVER, later).reasons == []


def test_what_another_models_index_found_does_not_count(kit: Kit) -> None:
    policy = replace(NEVER, found=1.01)
    model = models(kit.store).existing_head().record
    models(kit.store).append(replace(model, fingerprint="another"))
    assert training_due(kit.store, policy).reasons == []


def test_what_was_refused_is_not_trained_on_again(kit: Kit) -> None:
    """The same data would give the same model; other data might not."""
    policy = replace(NEVER, new_faces=FACES)
    dataset = read_version(kit.store)
    model = models(kit.store).existing_head().record
    refused = Refused(model=2, index=1, dataset=dataset.training_fingerprint)
    models(kit.store).append(replace(model, refused=refused, fingerprint="again"))
    found = training_due(kit.store, policy)
    assert found.reasons == []
    assert "model 2, which learnt all this, was worse" in found.figures["refused"]
    (member,) = dataset.members
    kit.another_clip(member.upload_id)
    assert training_due(kit.store, policy).reasons == []
    kit.member()
    assert training_due(kit.store, policy).reasons == [f"{FACES + 3} new faces"]


def test_the_word_changes_when_another_training_is_due_and_not_before(kit: Kit) -> None:
    store = kit.store
    assert record_due(store, training_due(store, NEVER)) == "never"
    eager = replace(NEVER, new_faces=1)
    first = record_due(store, training_due(store, eager))
    assert record_due(store, training_due(store, eager)) == first
    assert record_due(store, training_due(store, NEVER)) == first
    assert trainings_due(store).existing_head().record.reasons == (f"{FACES} new faces",)
    # One that failed is due again: a day later, or when somebody in it was erased meanwhile.
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1, minutes=1)
    assert record_due(store, training_due(store, eager, tomorrow)) != first
    again = record_due(store, training_due(store, eager))
    put_tombstone(store, kit.upload(), timedelta(days=1), "")
    assert record_due(store, training_due(store, eager)) != again


def test_a_model_of_an_earlier_version_is_trained_again(kit: Kit) -> None:
    """It says neither of which celebrities it is, nor when it was trained."""
    log = models(kit.store)
    kit.store.put_new(log.key(log.head_number() + 1), example("Model-first"))
    later = datetime.now(timezone.utc) + timedelta(days=31)
    due = training_due(kit.store, NEVER, later)
    assert due.reasons == ["the celebrities are others"]
    assert due.figures["days since the last training"].startswith("0.0 ")
