"""One judges at a time, and one that was paused does no harm."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.erasure.eraser import erase, erase_again
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import LeaseLostError, UploadError
from twin_matcher_dagster.faces.coverage import Coverage
from twin_matcher_dagster.faces.pose import Pose
from twin_matcher_dagster.faces.quality import Measures
from twin_matcher_dagster.faces.recheck import Recheck
from twin_matcher_dagster.storage import lease
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.uploads import Verdict
from twin_matcher_dagster.uploads.examination import Examination
from twin_matcher_dagster.uploads.judging import judge_upload
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster_tests.erasure.conftest import DAY
from twin_matcher_dagster_tests.kit import RECOGNISER, Kit
from twin_matcher_dagster_tests.pauses import paused_at

LOOKS = np.random.default_rng(4).normal(size=128).astype(np.float32)
LOOKS /= np.linalg.norm(LOOKS)
MEASURES = Measures(1.0, 100.0, 1.0, 120.0, 40.0, 1.0, -1.0, Pose(0.0, 0.0, 0.0))


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    made = Kit(store)
    made.celebrities()
    return made


@pytest.fixture
def uploads(kit: Kit) -> list[str]:
    """Two of the same face under two names: one of them has to be flagged."""
    return [kit.upload(name=name) for name in ("Ana", "Berta")]


class Judge:
    """Judges an upload that shows one known face."""

    def __init__(self, kit: Kit, uploads: list[str]) -> None:
        self._kit, self._uploads = kit, uploads
        self._crops = tuple((data, MEASURES) for data in kit.encoded(3))

    def __call__(self, store: ObjectStore, upload_id: str) -> Verdict:
        name = "Ana" if upload_id == self._uploads[0] else "Berta"
        coverage = Coverage(30.0, 30.0, ())
        found = Recheck(
            (0, 1, 2), (), [MEASURES] * 3, (), (), LOOKS, LOOKS[None], coverage, flat=False
        )
        examined = Examination(name, self._crops, found, ())
        return judge_upload(store, upload_id, examined, RECOGNISER).verdict.record


@pytest.fixture
def judged(kit: Kit, uploads: list[str]) -> Judge:
    return Judge(kit, uploads)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "EXPIRES_AFTER_S", 0.4)


def states(store: ObjectStore, uploads: list[str]) -> list[str]:
    heads = [verdicts(store, one).head() for one in uploads]
    return [head.record.state if head else "none" for head in heads]


def test_of_two_that_are_judged_at_once_the_second_sees_the_first(
    kit: Kit, uploads: list[str], judged: Judge
) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: judged(kit.store, one), uploads))
    assert sorted(states(kit.store, uploads)) == ["accepted", "flagged"]


def test_names_are_known_of_celebrities_and_of_users_whether_they_are_in_or_wait(
    kit: Kit, uploads: list[str], judged: Judge
) -> None:
    for one in uploads:
        judged(kit.store, one)
    first, second = map(user_id, uploads)
    names = KnownPeople(kit.store, uploads).names()
    celebrities = {who for who in names if is_celebrity(who)}
    assert {names[who] for who in celebrities} == {"Ana Aranda", "Bo Berg"}
    assert (names[first], names[second]) == ("Ana", "Berta")
    assert set(names) == {*celebrities, first, second}


# SAFETY, "a paused holder": both were accepted.
@pytest.mark.parametrize(
    "part", ["/shards/", "/versions/"], ids=["after it compared", "with the verdict on its way"]
)
@pytest.mark.usefixtures("short")
def test_a_verdict_of_one_that_was_paused_is_not_taken(
    kit: Kit, uploads: list[str], judged: Judge, part: str
) -> None:
    first, second = uploads
    with paused_at(kit.store, "PutObject", part, lambda store: judged(store, first)) as paused:
        assert judged(kit.store, second).state == "accepted"
    with pytest.raises(LeaseLostError):
        paused.result(60)
    assert states(kit.store, uploads) == ["none", "accepted"]
    assert judged(kit.store, first).state == "flagged"
    assert verdicts(kit.store, first).head_number() == 2  # the first one is closed


def test_who_is_erased_while_it_is_judged_has_no_verdict(
    kit: Kit, uploads: list[str], judged: Judge
) -> None:
    """The erasure waits for the verdict that is on its way, and takes it with it."""
    upload_id, _ = uploads
    with (
        ThreadPoolExecutor(1) as pool,
        paused_at(kit.store, "PutObject", "/versions/", lambda one: judged(one, upload_id)) as late,
    ):
        erasing = pool.submit(erase, kit.store, upload_id, DAY)
        with pytest.raises(TimeoutError):
            erasing.result(1)
        late_one = late
    assert late_one.result(60).state == "accepted"
    assert erasing.result(60).deleted > 0
    assert verify(kit.store, upload_id).left == []
    with pytest.raises(UploadError, match="was erased while it was judged"):
        judged(kit.store, upload_id)
    assert verify(kit.store, upload_id).left == []


@pytest.mark.usefixtures("short")
def test_who_is_erased_while_its_judge_is_paused_is_erased_again(
    kit: Kit, uploads: list[str], judged: Judge
) -> None:
    upload_id, _ = uploads
    with paused_at(kit.store, "PutObject", "/shards/", lambda one: judged(one, upload_id)) as late:
        erase(kit.store, upload_id, DAY)
    # An erasure leaves no closed number behind, so this is not refused by the store.
    assert late.result(60).state == "accepted"
    erase_again(kit.store, [upload_id])  # as ``user_faces`` does, and ``erasures`` for two days
    assert verify(kit.store, upload_id).left == []
