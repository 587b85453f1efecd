"""The same face under another name: flagged, left out, and a person's to decide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import numpy as np
import pytest

from twin_matcher_dagster.access.audit import AuditLog
from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.shards import faces_in
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.faces.clip import extract_faces
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.review.deciding import decide
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.logs import balanced_versions, verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.uploads import State, Verdict
from twin_matcher_dagster.uploads.arrivals import arrivals
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.decisions import AskedFor, UploadDecision, get_decision
from twin_matcher_dagster.uploads.flagged import flagged_uploads
from twin_matcher_dagster.uploads.submission import new_upload_id, submit
from twin_matcher_dagster_tests.graph import crops_in, materialize, upload_story

CLIPS = SAMPLE / "clips"
PHOTO = SAMPLE / "photos/amara.jpg"
AMARA = Story("Amara Tessemaye", CLIPS / "amara_1.mp4", PHOTO)
AGAIN = Story("amara_tessemaye", CLIPS / "amara_2.mp4", PHOTO)
IMPOSTOR = Story("Somebody Else", CLIPS / "amara_2.mp4", PHOTO)
TEODOR = Story("Teodor Vlasinca", CLIPS / "teodor_1.mp4", PHOTO)


@dataclass(frozen=True)
class Judged:
    """A verdict, and what Dagster shows of it."""

    verdict: Verdict
    metadata: dict[str, Any]

    @property
    def state(self) -> State:
        return self.verdict.state


class Bench:
    """A bucket with balanced celebrities, and uploads judged one after the other."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.instance = dg.DagsterInstance.ephemeral()

    def judge(self, upload_id: str, **config: str) -> Judged:
        """The verdict on an upload, and what was shown of it."""
        self.instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
        result = materialize(
            self.instance,
            [keys.USER_FACES],
            partition_key=upload_id,
            run_config={"ops": {keys.USER_FACES: {"config": config}}} if config else None,
        )
        assert result.success
        (made,) = result.asset_materializations_for_node(keys.USER_FACES)
        return Judged(
            verdicts(self.store, upload_id).existing_head().record,
            {name: one.value for name, one in made.metadata.items()},
        )

    def people(self) -> set[str]:
        """Who is in the data set."""
        assert materialize(self.instance, [keys.TWIN_DATASET]).success
        return {person.identity_id for person in read_version(self.store).identities}


@pytest.fixture
def bench(celebrities: ObjectStore) -> Bench:
    return Bench(celebrities)


def test_the_same_face_under_another_name_waits_for_a_person(bench: Bench) -> None:
    first = upload_story(bench.store, AMARA)
    assert bench.judge(first).state == "accepted"
    second = upload_story(bench.store, IMPOSTOR)
    judged = bench.judge(second)
    assert judged.state == "flagged"
    assert judged.verdict.accepted is False
    assert judged.verdict.shard is None
    (flag,) = judged.verdict.flags
    assert f"looks like an earlier upload ({user_id(first)})" in flag
    assert "data:image" in judged.metadata["faces"]
    # Nothing of one person is in the record of the other, where an erasure would have to find it.
    assert "the other" not in judged.metadata
    assert AMARA.name not in str(judged)
    # Whoever comes later puts nobody under suspicion who was there before.
    assert bench.judge(first).state == "accepted"
    assert {user_id(first)} <= bench.people()
    assert user_id(second) not in bench.people()

    judged = bench.judge(second, decision="accept", note="a twin sister")
    assert judged.state == "accepted"
    assert judged.metadata["review"] == "accept a twin sister"
    assert user_id(second) in bench.people()
    # The word stays when the asset is made again without one.
    assert bench.judge(second).state == "accepted"

    assert bench.judge(second, decision="reject", note="no").state == "rejected"
    assert user_id(second) not in bench.people()
    # It is a decision as any other one, and written down.
    decided = get_decision(bench.store, second)
    assert decided
    assert (decided.by, decided.note) == ("launchpad", "no")
    assert [deed.what for deed in AuditLog(bench.store).deeds()] == ["accept", "reject"]

    # What the review page or the command decides, a run without a configuration carries out.
    reviewer, wish = Principal("rita@example.com", Role.REVIEWER), UploadDecision.ask_again
    decide(bench.store, reviewer, second, wish, reason=AskedFor.live)
    assert set(arrivals(bench.store)) == {second}
    judged = bench.judge(second)
    assert (judged.state, judged.metadata["review"]) == ("rejected", "ask_again")
    assert not arrivals(bench.store)
    decide(bench.store, reviewer, second, UploadDecision.none)
    assert bench.judge(second).state == "flagged"
    assert set(flagged_uploads(bench.store)) == {second}


def test_the_same_person_by_the_same_name_is_that_person_again(bench: Bench) -> None:
    first, second = (upload_story(bench.store, one) for one in (AMARA, AGAIN))
    assert bench.judge(first).metadata["another clip"] == "no"
    judged = bench.judge(second)
    assert judged.state == "accepted"
    assert "an earlier upload" in judged.metadata["most like"]
    assert judged.metadata["another clip"].startswith("yes")
    assert {user_id(first)} == bench.people() & {user_id(first), user_id(second)}
    # Kept out is the first one: the second is that person.
    bench.judge(first, decision="reject")
    assert {user_id(second)} == bench.people() & {user_id(first), user_id(second)}


def test_a_flag_is_taken_away_by_a_person_alone(bench: Bench) -> None:
    """Begun before the other upload and sent after it; judged again, it is flagged still."""
    early = new_upload_id()
    assert bench.judge(upload_story(bench.store, AMARA)).state == "accepted"
    submit(bench.store, crops_in(IMPOSTOR.clip), IMPOSTOR.name, Consent.now(), early)
    assert bench.judge(early).state == "flagged"
    assert bench.judge(early).state == "flagged"
    assert bench.judge(early, decision="accept").state == "accepted"


def test_of_two_judged_at_once_one_is_flagged(bench: Bench) -> None:
    uploads = [upload_story(bench.store, one) for one in (AMARA, IMPOSTOR)]

    def judge(upload_id: str) -> Judged:
        alone = copy(bench)
        alone.instance = dg.DagsterInstance.ephemeral()  # which two threads cannot share
        alone.instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, uploads)
        return alone.judge(upload_id)

    with ThreadPoolExecutor(2) as pool:
        judged = list(pool.map(judge, uploads))
    assert sorted(one.state for one in judged) == ["accepted", "flagged"]


def test_what_is_no_face_is_shown(bench: Bench) -> None:
    """Why an upload was refused is to be seen, and not only to be read."""
    random = np.random.default_rng(0)
    noise = list(random.integers(0, 255, (20, 160, 160, 3), np.uint8))
    judged = bench.judge(submit(bench.store, noise, "Noise", Consent.now()))
    assert judged.state == "rejected"
    assert "data:image" in judged.metadata["faces left out"]


def test_sending_it_again_gets_nobody_past_a_review(bench: Bench) -> None:
    assert bench.judge(upload_story(bench.store, AMARA)).state == "accepted"
    for _ in range(2):
        assert bench.judge(upload_story(bench.store, IMPOSTOR)).state == "flagged"


def test_another_person_is_not_flagged_and_a_namesake_is_somebody_new(bench: Bench) -> None:
    for one in (AMARA, replace(TEODOR, name=AMARA.name)):
        judged = bench.judge(upload_story(bench.store, one))
        assert judged.state == "accepted"
        assert not judged.verdict.is_another_clip


def test_a_celebritys_face_is_flagged_whatever_the_name(bench: Bench) -> None:
    celebrities = balanced_versions(bench.store).existing_head().record
    faces = list(faces_in(bench.store, celebrities.shards))
    known = faces[0]
    crops = [read_image(f.image) for f in faces if f.identity_id == known.identity_id]
    upload_id = submit(bench.store, crops, known.label, Consent.now())
    judged = bench.judge(upload_id)
    assert judged.state == "flagged"
    assert f"looks like {known.label} ({known.identity_id})" in judged.verdict.flags[0]
    assert "data:image" in judged.metadata["the other"]


def test_nobody_can_make_a_face_of_what_is_none(bench: Bench) -> None:
    upload_id = upload_story(bench.store, AMARA)
    bench.store.client.delete_object(
        Bucket=bench.store.bucket, Key=f"uploads/faces/{upload_id}/003.png"
    )
    judged = bench.judge(upload_id, decision="accept")
    assert judged.state == "rejected"
    assert judged.verdict.template is None
    assert "data:image" in judged.metadata["faces"]


def test_crops_of_somebody_else_are_left_out(bench: Bench) -> None:
    """Twenty-five good crops and five of another person: the five never get into the identity.

    Whoever sends them waits for a word: the page sends one person's.
    """
    amara, teodor = (
        [face.image for face in extract_faces(story.clip).faces] for story in (AMARA, TEODOR)
    )
    mixed = [*amara[:25], *teodor[:5]]
    upload_id = submit(bench.store, mixed, "Mixed", Consent.now())
    judged = bench.judge(upload_id)
    assert judged.verdict.flags == ("5 of 30 faces look like a second person's",)
    judged = bench.judge(upload_id, decision="accept")
    assert judged.metadata["left out"] == {"another person": 5}
    assert judged.verdict.shard is not None
    assert judged.verdict.shard.rows == 25
