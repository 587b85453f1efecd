"""Verdicts on an upload: what decides, what is kept, and to whom it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.schema import Face, read_shard
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import person_of, user_id
from twin_matcher_dagster.storage.records.uploads import Reviewed, Verdict
from twin_matcher_dagster.uploads.decisions import Decided, UploadDecision
from twin_matcher_dagster.uploads.examination import Examination, examine
from twin_matcher_dagster.uploads.resemblance import ResemblanceReport
from twin_matcher_dagster.uploads.verdict import (
    others_to_compare,
    review_now,
    verdict_on,
)
from twin_matcher_dagster_tests.conftest import new_bucket
from twin_matcher_dagster_tests.graph import upload_story
from twin_matcher_dagster_tests.records import ANA, OTHER, UPLOAD, VERDICT, example

FLAGGED = ResemblanceReport(flagged={ANA: f"the face looks like Ana Luz ({ANA})"})
NOBODY, UNDECIDED = ResemblanceReport(), Reviewed()
Judge = Callable[..., Verdict]


@pytest.fixture(scope="module")
def examined(_aws: None, story: Story) -> Examination:
    """The demo's clip, looked at."""
    with pytest.MonkeyPatch.context() as patch:
        store = new_bucket(patch)
        return examine(store, upload_story(store, story), "bundled", lambda share: None)


@pytest.fixture
def judge(store: ObjectStore, examined: Examination) -> Judge:
    """The verdict on a clip: with changes of what it shows, whom it resembles, and a review."""

    def on_it(
        resemblance: ResemblanceReport = NOBODY,
        review: Reviewed = UNDECIDED,
        recogniser: str = "bundled",
        before: Verdict | None = None,
        **changes: object,
    ) -> Verdict:
        looked = replace(examined, **changes)
        return verdict_on(store, UPLOAD, looked, resemblance, review, recogniser, before)

    return on_it


@pytest.mark.parametrize(
    ("reasons", "flagged", "decision", "state"),
    [
        ((), False, "none", "accepted"),
        ((), True, "none", "flagged"),
        ((), True, "accept", "accepted"),
        ((), True, "reject", "rejected"),
        ((), False, "reject", "rejected"),
        ((), True, "ask_again", "rejected"),
        ((), False, "accept", "accepted"),
        # A person's word counts, but nobody can make a face of what is none.
        (("it is not whole",), False, "accept", "rejected"),
        (("it is not whole",), True, "none", "rejected"),
    ],
)
def test_what_decides(
    judge: Judge, reasons: tuple[str, ...], flagged: bool, decision: str, state: str
) -> None:
    resemblance = FLAGGED if flagged else ResemblanceReport()
    verdict = judge(resemblance, Reviewed(decision, "why"), reasons=reasons)
    assert verdict.state == state
    # What the faces themselves are flagged for counts as much.
    if flagged:
        own = judge(NOBODY, Reviewed(decision, "why"), reasons=reasons, flags=("two people",))
        assert own.state == state
        assert own.flags == ("two people",)
        assert own.resembles == ()
    assert verdict.accepted is (state == "accepted")
    assert (verdict.shard is not None) is verdict.accepted
    assert (verdict.template is None) is (state == "rejected")
    assert verdict.reasons == reasons
    assert verdict.review == Reviewed(decision, "why")


def test_the_faces_of_an_accepted_upload_are_one_shard_of_one_split(
    judge: Judge, examined: Examination, store: ObjectStore, story: Story
) -> None:
    shard = judge().shard
    assert shard is not None
    assert shard.key.startswith(f"{layout.user(UPLOAD)}/shards/")
    faces: list[Face] = list(read_shard(store.get(shard.key)))
    assert len(faces) == shard.rows == len(examined.crops)
    for face, (crop, measures) in zip(faces, examined.crops, strict=True):
        assert face.image == crop
        assert (face.label, face.identity_id) == (story.name, user_id(UPLOAD))
        assert (face.kind, face.upload_id, face.split) == ("user", UPLOAD, "train")
        assert face.yaw == pytest.approx(measures.pose.yaw, abs=1e-4)
        assert face.quality == pytest.approx(measures.sharpness, abs=1e-4)


def test_of_whom_is_not_in_nothing_is_stored(judge: Judge, store: ObjectStore) -> None:
    flagged = judge(FLAGGED)
    assert flagged.resembles == (ANA,)
    assert flagged.flags == tuple(FLAGGED.flagged.values())
    assert flagged.template is not None
    assert len(flagged.template) == 128  # to know the face again
    judge(reasons=("no face",), found=None)
    assert list(store.list("")) == []


def test_the_same_judgement_has_the_same_fingerprint_and_another_one_another(judge: Judge) -> None:
    first = judge()
    assert judge() == first
    others = [
        judge(recogniser="another"),
        judge(review=Reviewed("accept")),
        judge(review=Reviewed("none", "a note")),
        judge(publication=True),
        judge(FLAGGED),
        judge(FLAGGED, Reviewed("accept")),
        judge(reasons=("no face",)),
        judge(reasons=("another reason",)),
        judge(name="Another name"),
        judge(ResemblanceReport(person=person_of(OTHER))),
    ]
    assert len({first.fingerprint, *(one.fingerprint for one in others)}) == 1 + len(others)


def test_whose_clip_it_is_is_found_when_it_is_accepted_first_and_kept(judge: Judge) -> None:
    """Whoever hands somebody's face in later must not make the first one a clip of theirs."""
    same = ResemblanceReport(person=person_of(OTHER))
    new, another = judge(), judge(same)
    assert (new.person, new.is_another_clip) == (person_of(UPLOAD), False)
    assert (another.person, another.is_another_clip) == (person_of(OTHER), True)
    assert judge(same, before=new).person == person_of(UPLOAD)
    assert judge(before=another).person == person_of(OTHER)
    # Kept out or erased is the other one, or this one: whose it is does not change.
    out = judge(same, Reviewed("reject"))
    assert judge(before=out).person == out.person == person_of(OTHER)
    # It waited, perhaps because the other one did.
    waiting = judge(FLAGGED)
    assert waiting.person == person_of(UPLOAD)
    assert judge(same, before=waiting).person == person_of(OTHER)


def test_a_first_verdict_answers_to_everybody() -> None:
    uploads = ["01A", "01B", "01C"]
    assert others_to_compare(uploads, "01B", None) == ["01A", "01C"]


def test_a_later_verdict_answers_to_earlier_ones_and_those_it_was_flagged_for(
    store: ObjectStore,
) -> None:
    """Read as an earlier version wrote it: whom it resembles stood in its flags alone."""
    log = verdicts(store, UPLOAD)
    store.put_new(log.key(1), example("Verdict-with_flags"))
    before = log.existing_head().record
    earlier, later = "01AAA3NDEKTSV4RRFFQ69G5FAV", "01CX5ZZKBKACTAV9WEVGEMMVRZ"
    everybody = [earlier, UPLOAD, OTHER, later]
    assert OTHER > UPLOAD
    assert others_to_compare(everybody, UPLOAD, before) == [earlier, OTHER]
    without = replace(before, resembles=())
    assert others_to_compare(everybody, UPLOAD, without) == [earlier]


def test_a_persons_word_stays_until_there_is_another() -> None:
    before = replace(VERDICT, review=Reviewed("accept", "twins"))
    now = datetime.now(timezone.utc)
    assert review_now(None, None) == Reviewed("none", "")
    assert review_now(None, before) == Reviewed("accept", "twins")
    for decision, note in ((UploadDecision.reject, ""), (UploadDecision.none, "look again")):
        decided = Decided(decision, "Ana", now, note)
        assert review_now(decided, before) == Reviewed(decision.value, note)
