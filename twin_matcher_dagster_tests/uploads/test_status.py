"""What became of an upload, state by state, from what is in the bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.refusals import FAULTS
from twin_matcher_dagster.review.deciding import decide
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import pairings, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.uploads import Reviewed
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster.uploads.decisions import PLEAS, AskedFor, UploadDecision
from twin_matcher_dagster.uploads.not_taken import (
    BY_A_PERSON,
    NOT_WHOLE,
    too_few_crops,
    why_not_taken,
)
from twin_matcher_dagster.uploads.status import (
    NewestEntries,
    UploadState,
    UploadStatus,
    status_of,
)
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.records import VERDICT, WITHDRAWN

DAY = timedelta(days=1)
REVIEWER = Principal("rita@example.com", Role.REVIEWER)


@pytest.fixture(scope="module")
def released() -> tuple[Kit, str]:  # read it only
    kit = Kit(memory_bucket())
    kit.celebrities()
    upload_id = kit.member()
    kit.release()
    return kit, upload_id


@pytest.fixture
def kit(released: tuple[Kit, str]) -> Kit:
    return released[0].copied(memory_bucket())


def asked(kit: Kit, upload_id: str) -> UploadStatus:
    return status_of(kit.store, upload_id, NewestEntries())


def received(kit: Kit) -> str:
    kit.upload()
    return kit.upload()


def being_checked(kit: Kit) -> str:
    return kit.upload()


def flagged(kit: Kit) -> str:
    upload_id = kit.upload()
    kit.judge(upload_id, state="flagged")
    return upload_id


def rejected(kit: Kit) -> str:
    upload_id = kit.upload()
    kit.judge(upload_id, state="rejected")
    return upload_id


def asked_again(kit: Kit) -> str:
    upload_id = kit.upload()
    kit.judge(upload_id, state="flagged")
    wish = UploadDecision.ask_again
    decide(kit.store, REVIEWER, upload_id, wish, reason=AskedFor.light, note="Zoë, I think")
    kit.judge(upload_id, state="rejected", review=Reviewed(wish.value, "Zoë, I think"))
    return upload_id


def accepted(kit: Kit) -> str:
    return kit.member()


def held_out(kit: Kit) -> str:
    (first,) = kit.production().record.uploads
    return kit.another_clip(first)


def in_release(kit: Kit) -> str:
    (upload_id,) = kit.production().record.uploads
    return upload_id


def noted(kit: Kit) -> str:
    upload_id = in_release(kit)
    put_tombstone(kit.store, upload_id, DAY, "")
    return upload_id


def half_erased(kit: Kit) -> str:
    """All is deleted that is under the upload's id; the release still shows it."""
    upload_id = noted(kit)
    for prefix in ("uploads/", layout.user(upload_id)):
        for key in list(kit.store.list(prefix)):
            kit.store.delete(key)
    return upload_id


def erased(kit: Kit) -> str:
    upload_id = in_release(kit)
    erase(kit.store, upload_id, DAY)
    return upload_id


STATES: Mapping[Callable[[Kit], str], UploadState] = {
    received: UploadState.received,
    being_checked: UploadState.being_checked,
    flagged: UploadState.waits_for_a_person,
    rejected: UploadState.not_taken,
    asked_again: UploadState.record_again,
    accepted: UploadState.taken,
    held_out: UploadState.another_clip,
    in_release: UploadState.in_release,
    noted: UploadState.being_erased,
    half_erased: UploadState.being_erased,
    erased: UploadState.erased,
}


@pytest.mark.parametrize("make", STATES, ids=lambda one: one.__name__)
def test_every_state_is_told(kit: Kit, make: Callable[[Kit], str]) -> None:
    assert asked(kit, make(kit)).state is STATES[make]


def test_every_state_is_tested() -> None:
    assert set(STATES.values()) == set(UploadState)


def test_how_many_are_before_it_is_told(kit: Kit) -> None:
    uploads = sorted(kit.upload() for _ in range(3))
    assert [asked(kit, one).ahead for one in uploads] == [0, 1, 2]
    kit.judge(uploads[0])
    assert asked(kit, uploads[2]).ahead == 1


def test_since_when_it_is_in_is_told(kit: Kit) -> None:
    upload_id = in_release(kit)
    assert asked(kit, upload_id) == UploadStatus(UploadState.in_release, release=1)
    head = kit.pairs(upload_id, upload_id).record
    kit.member()
    kit.release()
    found = asked(kit, upload_id)
    assert (found.release, found.since) == (2, 1)
    # Who came later is not said to have been in it.
    (newer,) = set(kit.production().record.uploads) - {upload_id}
    assert asked(kit, newer).since is None
    assert head.visitors[upload_id].since == 1


def test_a_release_that_was_withdrawn_shows_nobody(kit: Kit) -> None:
    upload_id = in_release(kit)
    releases(kit.store).append(WITHDRAWN)
    assert asked(kit, upload_id).state is UploadState.taken


def test_what_was_read_before_is_read_again_where_it_changed(kit: Kit) -> None:
    """An erasure rewrites entries in their place."""
    newest, upload_id = NewestEntries(), in_release(kit)
    kit.pairs(upload_id, upload_id)
    assert status_of(kit.store, upload_id, newest).since == 1
    pairings(kit.store).rewrite(1, lambda pairs: pairs.without(upload_id))
    assert status_of(kit.store, upload_id, newest).since is None


class Counting:
    """A client that counts what it is asked."""

    def __init__(self, client: object) -> None:
        self._client, self.asked = client, 0

    def __getattr__(self, name: str) -> object:
        found = getattr(self._client, name)
        if name in {"get_object", "list_objects_v2", "head_object", "put_object"}:
            self.asked += 1
        return found


@pytest.mark.parametrize(
    ("make", "most"), [(in_release, 8), (erased, 6), (being_checked, 3), (asked_again, 4)]
)
def test_it_costs_a_few_requests(
    store: ObjectStore, kit: Kit, make: Callable[[Kit], str], most: int
) -> None:
    upload_id = make(kit)
    client = Counting(kit.copied(store).store.client)
    status_of(ObjectStore(client, store.bucket), upload_id, NewestEntries())
    assert 0 < client.asked <= most


def test_a_person_who_did_not_take_it_is_named_and_not_their_note() -> None:
    by_hand = replace(VERDICT, state="rejected", review=Reviewed("reject", "an actor, phoned him"))
    assert why_not_taken(by_hand) == (BY_A_PERSON(),)


def test_whoever_is_asked_for_other_pictures_is_told_why_and_no_note(kit: Kit) -> None:
    upload_id = asked_again(kit)
    assert asked(kit, upload_id).why == (PLEAS[AskedFor.light](),)
    # Another decision is on its way: what was asked for does not count any more.
    decide(kit.store, REVIEWER, upload_id, UploadDecision.reject)
    assert asked(kit, upload_id).why == ()


def test_too_few_faces_are_counted_and_the_commonest_fault_is_explained() -> None:
    reason = too_few_crops(8, 25, MIN_FACES, {"too dark": 12, "blurred": 5})
    rejected = replace(VERDICT, state="rejected", reasons=(reason,), review=Reviewed())
    said = why_not_taken(rejected)
    assert said[0].startswith(f"Of your 25 pictures 8 can be used, {MIN_FACES} are needed.")
    assert said[1:] == (FAULTS["too dark"].photos(),)
    none_known = replace(rejected, reasons=(too_few_crops(8, 25, MIN_FACES, {}),))
    assert len(why_not_taken(none_known)) == 1


def test_what_is_not_whole_is_said_without_its_id() -> None:
    reasons = (f"Crop 3 of upload {VERDICT.upload_id} was altered.",)
    damaged = replace(VERDICT, state="rejected", reasons=reasons, review=Reviewed())
    assert why_not_taken(damaged) == (NOT_WHOLE(),)
