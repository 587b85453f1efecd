"""A decision: one way in, one at a time, written down, and heard by the reconciliation."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from twin_matcher_dagster.access.audit import AuditLog
from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.backup.contents import listed
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import (
    DecidedAlreadyError,
    RecordError,
    StorageError,
    UploadError,
)
from twin_matcher_dagster.reconciliation import survey
from twin_matcher_dagster.reconciliation.facts import Facts, Work
from twin_matcher_dagster.reconciliation.missing import what_is_missing
from twin_matcher_dagster.reconciliation.scan import scan
from twin_matcher_dagster.review.deciding import NOT_DONE, decide, seen_of
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.uploads import ERASED, Reviewed
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster.uploads import decisions
from twin_matcher_dagster.uploads.arrivals import arrivals, settle
from twin_matcher_dagster.uploads.decisions import (
    LONGEST_NOTE,
    AskedFor,
    UploadDecision,
    get_decision,
)
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket

DAY = timedelta(days=1)
RITA = Principal("rita@example.com", Role.REVIEWER)
ROB = Principal("rob@example.com", Role.REVIEWER)
ACCEPT, REJECT = UploadDecision.accept, UploadDecision.reject


@pytest.fixture
def kit() -> Kit:
    made = Kit(memory_bucket())
    made.celebrities()
    return made


@pytest.fixture
def flagged(kit: Kit) -> str:
    upload_id = kit.upload()
    kit.judge(upload_id, state="flagged")
    return upload_id


def missing(store: ObjectStore) -> list[Work]:
    """What the sensor would launch."""
    waiting = arrivals(store)
    came = survey.arrivals_of(store, waiting, {}, sorted(waiting))
    return [one.work for one in what_is_missing(Facts(datetime.now(timezone.utc), came))]


def words(kit: Kit) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(deed.who, deed.what, deed.about) for deed in AuditLog(kit.store).deeds()]


def test_a_decision_is_carried_out_by_the_reconciliation(kit: Kit, flagged: str) -> None:
    assert missing(kit.store) == []
    decided = decide(kit.store, RITA, flagged, ACCEPT, note="a twin sister")
    assert (decided.by, decided.note, decided.decision) == (RITA.name, "a twin sister", ACCEPT)
    assert missing(kit.store) == [Work("judge", flagged)]
    # A run that was cut off before its verdict settles nothing.
    settle(kit.store, flagged)
    assert missing(kit.store) == [Work("judge", flagged)]
    kit.judge(flagged, review=decided.reviewed)
    assert missing(kit.store) == []
    assert words(kit) == [(RITA.name, "accept", (flagged,))]


def test_why_it_is_launched_is_said(kit: Kit, flagged: str) -> None:
    decide(kit.store, RITA, flagged, REJECT)
    waiting = arrivals(kit.store)
    came = survey.arrivals_of(kit.store, waiting, {}, [flagged])
    (one,) = what_is_missing(Facts(datetime.now(timezone.utc), came))
    assert one.why == "the verdict does not have what a person decided"


def test_a_decision_whose_note_was_lost_is_found_by_the_scan(kit: Kit, flagged: str) -> None:
    decide(kit.store, RITA, flagged, REJECT)
    kit.store.delete(layout.arrival(flagged))
    assert missing(kit.store) == []
    scan(kit.store)
    assert missing(kit.store) == [Work("judge", flagged)]


def test_of_two_who_decide_at_once_the_second_is_told(kit: Kit, flagged: str) -> None:
    seen = seen_of(kit.store, flagged)
    decide(kit.store, RITA, flagged, ACCEPT, seen=seen)
    with pytest.raises(DecidedAlreadyError, match=r"rita@example.com decided meanwhile \(accept"):
        decide(kit.store, ROB, flagged, REJECT, seen=seen)
    decided = get_decision(kit.store, flagged)
    assert decided
    assert decided.decision is ACCEPT
    # Whoever looked again decides anew.
    decide(kit.store, ROB, flagged, REJECT, seen=seen_of(kit.store, flagged))
    assert words(kit) == [(RITA.name, "accept", (flagged,)), (ROB.name, "reject", (flagged,))]


def test_between_reading_and_writing_as_well(
    kit: Kit, flagged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The condition is the store's own."""
    add = AuditLog.add

    def faster(log: AuditLog, who: Principal, what: str, about: list[str]) -> object:
        if who is ROB and what == "reject":
            monkeypatch.setattr(AuditLog, "add", add)
            decide(kit.store, RITA, flagged, ACCEPT)
        return add(log, who, what, about)

    monkeypatch.setattr(AuditLog, "add", faster)
    with pytest.raises(DecidedAlreadyError):
        decide(kit.store, ROB, flagged, REJECT)
    assert words(kit)[-1] == (ROB.name, NOT_DONE, (flagged,))
    decided = get_decision(kit.store, flagged)
    assert decided
    assert decided.by == RITA.name


def test_what_was_judged_again_meanwhile_is_looked_at_again(kit: Kit, flagged: str) -> None:
    seen = seen_of(kit.store, flagged)
    kit.judge(flagged, state="flagged", flags=("it looks like somebody else too",))
    with pytest.raises(DecidedAlreadyError, match="judged again meanwhile"):
        decide(kit.store, RITA, flagged, ACCEPT, seen=seen)
    assert words(kit) == []


def test_what_is_not_written_down_is_not_done(
    kit: Kit, flagged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StorageError("It is away.")

    monkeypatch.setattr(AuditLog, "add", away)
    with pytest.raises(StorageError):
        decide(kit.store, RITA, flagged, ACCEPT)
    assert get_decision(kit.store, flagged) is None
    assert missing(kit.store) == []


def test_what_makes_no_sense_is_refused(kit: Kit, flagged: str) -> None:
    nobody = "01KB0000000000000000000000"
    with pytest.raises(UploadError, match="There is no upload"):
        decide(kit.store, RITA, nobody, ACCEPT)
    with pytest.raises(UploadError, match="choose one of the reasons"):
        decide(kit.store, RITA, flagged, UploadDecision.ask_again)
    with pytest.raises(UploadError, match="The note has 501 characters"):
        decide(kit.store, RITA, flagged, REJECT, note="x" * (LONGEST_NOTE + 1))
    assert words(kit) == []


def test_a_decision_can_be_taken_back(kit: Kit, flagged: str) -> None:
    kit.judge(flagged, review=decide(kit.store, RITA, flagged, ACCEPT).reviewed)
    decided = decide(kit.store, ROB, flagged, UploadDecision.none)
    assert decided.reviewed == Reviewed("none", "")
    assert missing(kit.store) == [Work("judge", flagged)]
    assert words(kit)[-1] == (ROB.name, "take-back", (flagged,))


def test_an_erasure_takes_it_along_and_its_id_out_of_notes_on_others(
    kit: Kit, flagged: str
) -> None:
    other = kit.upload()
    kit.judge(other, state="flagged")
    decide(kit.store, RITA, flagged, REJECT, note="no")
    decide(kit.store, RITA, other, REJECT, note=f"the same as {flagged}")
    erase(kit.store, flagged, DAY)
    assert verify(kit.store, flagged).left == []
    decided = get_decision(kit.store, other)
    assert decided
    assert decided.note == f"the same as {ERASED}"
    with pytest.raises(UploadError, match="There is no upload"):
        decide(kit.store, RITA, flagged, ACCEPT)


def test_erased_at_this_moment_nothing_of_it_comes_back(
    kit: Kit, flagged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = decisions.put_decision

    def put_while_erased(*args: Any) -> None:
        put_tombstone(kit.store, flagged, DAY, "")
        put(*args)

    monkeypatch.setattr("twin_matcher_dagster.review.deciding.put_decision", put_while_erased)
    with pytest.raises(UploadError, match="erased at this moment"):
        decide(kit.store, RITA, flagged, ACCEPT)
    assert get_decision(kit.store, flagged) is None
    assert not arrivals(kit.store)


def test_a_backup_has_it(kit: Kit, flagged: str) -> None:
    decide(kit.store, RITA, flagged, UploadDecision.ask_again, reason=AskedFor.live)
    assert {layout.decision(flagged), layout.flagged(flagged)} <= set(listed(kit.store))


def test_a_damaged_one_is_named(kit: Kit, flagged: str) -> None:
    kit.store.put_new(layout.decision(flagged), b"{}")
    with pytest.raises(RecordError, match=r"uploads/decisions/.* is no decision"):
        get_decision(kit.store, flagged)
    settle(kit.store, flagged)
    assert missing(kit.store) == []
