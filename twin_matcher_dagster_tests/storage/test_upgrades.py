"""Records of earlier versions: one stored example of every shape, and what is read of each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timezone
from typing import Any

import pytest

from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.celebrities import (
    BalancedVersion,
    RawVersion,
    Review,
    ReviewDecision,
)
from twin_matcher_dagster.storage.records.dataset import (
    EMPTY,
    DatasetVersion,
    MemberList,
    decode_members,
    list_of,
)
from twin_matcher_dagster.storage.records.index import HeldOutAnswer, Index, decode_answers
from twin_matcher_dagster.storage.records.leaderboard import Leaderboard
from twin_matcher_dagster.storage.records.parts import person_of
from twin_matcher_dagster.storage.records.record import Record
from twin_matcher_dagster.storage.records.release import (
    Against,
    Difference,
    Release,
    Withdrawn,
    read_release,
)
from twin_matcher_dagster.storage.records.training import Model, Refused, TrainingDue
from twin_matcher_dagster.storage.records.twins import TwinPairs
from twin_matcher_dagster.storage.records.uploads import Reviewed, Verdict
from twin_matcher_dagster_tests.records import ANA, EVERY, OTHER, SCHEMAS, UPLOAD, ZOE, example

EXAMPLES = sorted(path.stem for path in SCHEMAS.glob("*.json"))
KINDS = {
    kind.__name__: kind
    for kind in (
        RawVersion,
        BalancedVersion,
        Review,
        Verdict,
        DatasetVersion,
        TrainingDue,
        Model,
        Index,
        Release,
        Withdrawn,
        TwinPairs,
        Leaderboard,
    )
}
SINCE = {"TwinPairs": "1", "Leaderboard": "1"}
"""Kinds that version 0.1.0 did not know: their first example is of their first schema."""
RECORDS = [name for name in EXAMPLES if name.partition("-")[0] in KINDS]
BO = "c-00000000000000bb"


def body_of(name: str) -> dict[str, Any]:
    return json.loads(example(name))


def release_of(name: str) -> Release:
    record = read_release(body_of(name))
    assert isinstance(record, Release)
    return record


def digest(character: str) -> str:
    return 64 * character


@pytest.mark.parametrize("name", RECORDS)
def test_every_shape_is_read_keeps_its_fingerprint_and_is_written_in_the_present_one(
    name: str,
) -> None:
    body = body_of(name)
    kind = KINDS[name.partition("-")[0]]
    record = kind.from_body(body)
    assert body == body_of(name)  # it is not changed
    assert record.fingerprint == body["fingerprint"]
    written = record.as_body()
    assert written["schema"] == kind.schema
    # NaN, of figures that were not measured, is not equal to itself: as texts they are.
    again = kind.from_body(json.loads(json.dumps(written)))
    assert json.dumps(again.as_body()) == json.dumps(written)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_schema_of_every_kind_has_an_example(kind: type[Record]) -> None:
    """A field more, or another one, is a schema more: what was written before is still read."""
    names = {f"{kind.__name__}-{number}" for number in range(2, kind.schema + 1)}
    first = SINCE.get(kind.__name__, "0.1.0")
    assert {f"{kind.__name__}-{first}", *names} <= set(RECORDS)
    newest = body_of(f"{kind.__name__}-{kind.schema}")
    assert set(newest) == {"schema", *(field.name for field in fields(kind))}
    assert kind.from_body(newest).as_body() == newest
    assert {number: body_of(name)["schema"] for name in names for number in [int(name[-1])]} == {
        number: number for number in range(2, kind.schema + 1)
    }


def test_no_kind_is_forgotten() -> None:
    ours = "twin_matcher_dagster."
    known = {one for one in Record.__subclasses__() if one.__module__.startswith(ours)}
    assert set(KINDS.values()) == {type(one) for one in EVERY} == known


@pytest.mark.parametrize("name", ["RawVersion-first", "RawVersion-0.1.0"])
def test_raw_versions(name: str) -> None:
    raw = RawVersion.from_body(body_of(name))
    assert (raw.source, raw.rows) == ("sample", 12)
    (shard,) = raw.shards
    assert shard.key == f"celebrities/raw/shards/{shard.sha256}.parquet"
    assert shard.rows == 12
    assert dict(raw.people) == (
        {} if name.endswith("first") else {ANA: {"age": 41, "nationality": "Chile"}}
    )


@pytest.mark.parametrize("shape", ["first", "with_templates", "0.1.0"])
def test_balanced_versions(shape: str) -> None:
    balanced = BalancedVersion.from_body(body_of(f"BalancedVersion-{shape}"))
    assert balanced.raw == 3  # it was named by its key, which counts down
    assert balanced.stands_on() == {"celebrities/raw": 3}
    assert balanced.rows == 9
    (shard,) = balanced.shards
    assert [(one.identity_id, dict(one.faces)) for one in shard.identities] == [
        (ANA, {"train": 5, "test": 2}),
        (BO, {"train": 2}),
    ]
    told = shape != "first"
    assert dict(balanced.templates) == ({ANA: (0.6, -0.8)} if told else {})
    assert set(balanced.people) == ({ANA} if told else set())
    cleaned = shape == "0.1.0"
    assert dict(balanced.images) == ({ANA: 9, BO: 3} if cleaned else {})
    table = f"celebrities/balanced/tables/{digest('4')}.parquet"
    assert balanced.table == (table if cleaned else "")
    assert balanced.uncleaned == ()


def test_a_raw_version_that_is_no_number_is_none() -> None:
    body = {**body_of("BalancedVersion-first"), "raw": "somewhere else"}
    assert BalancedVersion.from_body(body).raw == 0


def test_reviews() -> None:
    review = Review.from_body(body_of("Review-0.1.0"))
    assert review.decisions == (
        ReviewDecision(digest("5"), "label=Ana Luz", "not her sister"),
        ReviewDecision(digest("6"), "drop"),
    )


def test_a_first_verdict_says_accepted_or_not() -> None:
    accepted = Verdict.from_body(body_of("Verdict-first"))
    rejected = Verdict.from_body(body_of("Verdict-first_rejected"))
    assert (accepted.state, rejected.state) == ("accepted", "rejected")
    assert accepted.shard is not None
    assert accepted.shard.rows == 25
    assert rejected.shard is None
    assert rejected.reasons == ("3 of 25 crops can be used, 20 are needed",)
    for verdict in (accepted, rejected):
        assert verdict.upload_id == UPLOAD
        assert verdict.publication is False  # nobody had been asked
        assert (verdict.flags, verdict.resembles, verdict.hints) == ((), (), ())
        assert verdict.review == Reviewed("none", "")
        assert verdict.template is None


@pytest.mark.parametrize("shape", ["with_flags", "with_publication", "0.1.0"])
def test_whom_an_upload_resembles_stood_in_its_flags(shape: str) -> None:
    """An upload that is judged again answers to those, so that no flag is lost."""
    verdict = Verdict.from_body(body_of(f"Verdict-{shape}"))
    assert verdict.resembles == (f"u-{OTHER}", ANA)
    assert len(verdict.flags) == 2
    assert verdict.hints == ("the head was not turned",)
    assert verdict.template == (0.6, -0.8)


@pytest.mark.parametrize("shape", ["first", "first_rejected", "0.1.0", "3"])
def test_before_a_second_upload_was_another_clip_each_was_of_somebody_new(shape: str) -> None:
    verdict = Verdict.from_body(body_of(f"Verdict-{shape}"))
    assert verdict.person == person_of(UPLOAD)
    assert not verdict.is_another_clip
    assert Verdict.from_body(body_of("Verdict-4")).person == person_of(OTHER)


def test_verdicts_that_a_person_decided() -> None:
    waiting = Verdict.from_body(body_of("Verdict-with_flags"))
    assert (waiting.state, waiting.publication, waiting.shard) == ("flagged", False, None)
    for shape in ("with_publication", "0.1.0"):
        decided = Verdict.from_body(body_of(f"Verdict-{shape}"))
        assert (decided.state, decided.publication) == ("accepted", True)
        assert decided.review == Reviewed("accept", "twins")
        assert decided.shard is not None
        assert decided.shard.identities[0].label == "Zoë Ödegård"


@pytest.mark.parametrize("shape", ["first", "with_biographies"])
def test_a_version_that_named_its_shards_is_followed_by_one_of_all_verdicts(shape: str) -> None:
    version = DatasetVersion.from_body(body_of(f"DatasetVersion-{shape}"))
    assert version.balanced == EMPTY.balanced
    assert version.members == {}
    assert (version.rows, version.identities) == (34, 3)


def test_versions_with_lists() -> None:
    version = DatasetVersion.from_body(body_of("DatasetVersion-0.1.0"))
    assert version.balanced.number == 2
    assert version.members == {
        "e8": MemberList(f"datasets/members/{digest('7')}.json", 1, 25, 0, 0)
    }
    assert (version.rows, version.users, version.identities) == (34, 1, 3)
    assert dict(version.splits) == {"train": 32, "validation": 0, "test": 2}
    # What is made of the same content now has the same fingerprint but for the examples' own.
    made = DatasetVersion.of(version.balanced, version.members)
    assert (made.rows, made.users, dict(made.splits)) == (34, 1, dict(version.splits))


def test_lists_of_members() -> None:
    (member,) = decode_members(example("MemberList-0.1.0")).values()
    assert (member.upload_id, member.publication, member.shard.rows) == (UPLOAD, True, 25)
    assert member.shard.identities[0].identity_id == ZOE
    assert member.person == person_of(UPLOAD)
    assert member.is_first
    assert list_of(person_of(UPLOAD)) == "8e"


@pytest.mark.parametrize("shape", ["first", "with_uploads", "with_celebrities", "0.1.0"])
def test_models(shape: str) -> None:
    model = Model.from_body(body_of(f"Model-{shape}"))
    (file,) = model.files
    assert (file.name, file.bytes, file.sha256) == ("model.safetensors", 64, digest("8"))
    assert model.stands_on() == {"datasets": 4}
    assert model.curve[0]["train_loss"] == 2.5
    assert model.uploads == (() if shape == "first" else (UPLOAD,))
    known = shape in ("with_celebrities", "0.1.0")
    # Unknown celebrities are others: such a model is trained again, and not on from.
    assert model.celebrities == (digest("b") if known else "")
    noted = datetime(2026, 11, 24, 19, 48, 57, tzinfo=timezone.utc)
    assert model.trained_at == (noted if known else None)
    assert model.ancestor == (2 if known else None)
    last = shape == "0.1.0"
    assert model.backbone == ("bundled dc139ff4e4b1" if last else "")
    assert model.refused == (Refused(5, 6, digest("e")) if last else None)
    assert model.backbone_name == ("bundled" if last else "small")
    assert model.planned_epochs == (4 if last else 14)


def test_trainings_that_were_due() -> None:
    due = TrainingDue.from_body(body_of("TrainingDue-0.1.0"))
    assert due.reasons == ("there is no model yet",)


@pytest.mark.parametrize("shape", ["first", "with_uploads", "with_model_fingerprint"])
def test_an_index_before_the_fusion_was_of_the_network_alone(shape: str) -> None:
    index = Index.from_body(body_of(f"Index-{shape}"))
    assert (index.model, index.dataset, index.rows) == (7, 4, 3)
    assert index.uploads == (() if shape == "first" else (UPLOAD,))
    assert index.model_fingerprint == (32 * "aa" if shape == "with_model_fingerprint" else "")
    assert index.basis == fingerprint(index.model_fingerprint, "")
    assert (index.recogniser, index.answers, index.refused) == ("", "", "")
    assert (index.shards, index.imprinted, index.imprinted_found) == ({}, (), None)
    assert index.fusion == {"names": ["resnet"], "weights": [1.0], "bias": 0.0}
    assert index.figures
    for figures in (index.figures.resnet, index.figures.fused):
        assert (figures.faces, figures.identities) == (2, 3)
        assert (figures.rank1, figures.chance) == (0.8, 0.5)
        assert math.isnan(figures.rank5)  # the third was looked at then, not the fifth
        assert figures.calibration_error is None
    assert index.figures.recogniser.faces == 0
    assert math.isnan(index.figures.recogniser.rank1)


@pytest.mark.parametrize("shape", ["with_fusion", "0.1.0"])
def test_an_index_with_a_fusion(shape: str) -> None:
    index = Index.from_body(body_of(f"Index-{shape}"))
    assert index.basis == 32 * "cc"
    assert (index.recogniser, index.imprinted, index.imprinted_found) == ("bundled", (ZOE,), 0.96)
    assert index.fusion["weights"] == [6.5, 18.5]
    assert index.figures
    assert index.figures.fused.calibration_error == 0.02
    assert dict(index.figures.resnet.rank1_by_identity) == {ANA: 1.0}
    last = shape == "0.1.0"
    # Whose faces it was made of was not noted: everybody is enrolled anew.
    assert dict(index.shards) == ({UPLOAD: digest("2")} if last else {})
    assert index.refused == ("it is worse than release 1" if last else "")
    assert len(index.content_keys()) == 3
    # Whom strangers look like was not asked apart from who they are.
    assert (index.likeness, index.identity_limit) == ("", None)


def test_before_likeness_was_asked_apart() -> None:
    for name in ("Index-2", "Release-2"):
        record = KINDS[name[:-2]].from_body(body_of(name))
        assert isinstance(record, Index | Release)
        assert (record.likeness, record.identity_limit) == ("", None)
        assert len(record.content_keys()) >= 3


def test_before_users_were_asked_about_by_other_clips() -> None:
    for name in ("Index-3", "Release-3"):
        record = KINDS[name[:-2]].from_body(body_of(name))
        assert isinstance(record, Index | Release)
        assert record.other_clips is None
    (one,) = DatasetVersion.from_body(body_of("DatasetVersion-3")).members.values()
    assert (one.uploads, one.other_clips, one.held_out) == (1, 0, 0)


def test_answers_before_the_network_was_asked_alone() -> None:
    assert decode_answers(example("Answers-with_fusion")) == {
        digest("c"): HeldOutAnswer(ANA, fused=True, network=None),
        digest("d"): HeldOutAnswer(BO, fused=False, network=None),
    }
    assert decode_answers(example("Answers-0.1.0")) == {
        digest("c"): HeldOutAnswer(ANA, fused=True, network=False),
        digest("d"): HeldOutAnswer(BO, fused=False, network=True),
    }


@pytest.mark.parametrize("shape", ["first", "with_uploads"])
def test_a_release_before_the_fusion(shape: str) -> None:
    release = release_of(f"Release-{shape}")
    assert release.released_at == datetime(2026, 11, 23, 7, 8, 8, tzinfo=timezone.utc)
    assert (release.dataset, release.model, release.face_index) == (4, 7, 8)
    assert release.stands_on() == {"indexes": 8}
    assert [one.identity_id for one in release.identities] == [ANA, BO, ZOE]
    about = {} if shape == "first" else {"age": 41, "nationality": "Chile"}
    assert [dict(one.about) for one in release.identities] == [about, {}, {}]
    assert release.names(UPLOAD) is (shape != "first")
    assert release.basis == fingerprint("", "")
    assert (release.recogniser, release.answers, release.override) == ("", "", "")
    assert release.against == Against(nothing="it was not compared")
    assert release.figures
    assert release.figures.fused.rank1 == 0.8
    assert release.rolled_back_to is None


def test_a_release_whose_network_was_not_compared_by_itself() -> None:
    release = release_of("Release-with_fusion")
    assert release.basis == fingerprint(32 * "aa", "bundled")
    assert release.shards == {}
    assert release.imprinted == (ZOE,)
    assert release.against == Against(
        release=1, faces=120, worse=True, fused=Difference(-0.1, -0.2, -0.05, worse=True)
    )


def test_a_release_of_0_1_0() -> None:
    release = release_of("Release-0.1.0")
    assert release.basis == 32 * "cc"
    assert dict(release.shards) == {UPLOAD: digest("2")}
    assert release.override == "looked at it"
    assert release.against == Against(
        release=1,
        faces=120,
        worse=True,
        lost=(ANA,),
        fused=Difference(-0.1, -0.2, -0.05, worse=True),
        resnet=Difference(0.0, -0.05, 0.05, worse=False),
    )
    assert release.figures
    assert release.figures.fused.rank1 == 1.0
    again = release_of("Release-0.1.0_rolled_back")
    assert again.rolled_back_to == 3
    assert again.against == Against(nothing="there is no release to compare with")


def test_before_something_could_be_unjudged() -> None:
    """Nor was it noted how many faces were asked for."""
    for name in ("Index-4", "Release-4"):
        record = KINDS[name[:-2]].from_body(body_of(name))
        assert isinstance(record, Index | Release)
        assert record.figures
        assert record.unjudged == ()
    balanced = BalancedVersion.from_body(body_of("BalancedVersion-4"))
    assert (balanced.min_faces, balanced.too_few) == (0, {})


def test_a_release_that_was_withdrawn() -> None:
    record = read_release(body_of("Withdrawn-0.1.0"))
    assert isinstance(record, Withdrawn)
    assert record.reason == "its model learned from an upload that was erased"


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_stored_is_a_whole_record_and_not_more(name: str) -> None:
    """A part that is missing is not made up: only what an earlier version did not know is."""
    body = body_of(name)
    kind = KINDS[name.partition("-")[0]]
    needed: Mapping[type, tuple[str, ...]] = {
        RawVersion: ("source", "shards"),
        BalancedVersion: ("rows", "shards"),
        Review: ("decisions",),
        Verdict: ("upload_id",),
        DatasetVersion: ("fingerprint", "rows"),
        TrainingDue: ("reasons",),
        Model: ("files", "dataset"),
        Index: ("index", "model"),
        Release: ("released_at", "identities", "files"),
        Withdrawn: ("withdrawn" if "withdrawn" in body else "reason",),
        TwinPairs: ("release", "visitors"),
        Leaderboard: ("trainings",),
    }
    for part in needed[kind]:
        cut = {key: value for key, value in body.items() if key != part}
        with pytest.raises(RecordError, match="materialize its asset again"):
            kind.from_body(cut)
