"""What is missing, and when it is tried: one case after the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from twin_matcher_dagster.reconciliation.facts import (
    Arrival,
    Cause,
    Content,
    Facts,
    GateState,
    Need,
    Tries,
    Work,
)
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import (
    AUTOMATION_FIRST,
    HEAVY,
    LIGHT,
    LONGEST_BATCH,
    LONGEST_CROWD,
    Missing,
    what_is_missing,
)

NOW = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
GATE = Content("balanced_faces", "v1")
CAUSE = Cause("user_faces", NOW - MINUTE, "new verdicts: 1")
NEED = Need("twin_dataset", (CAUSE,), GATE)


def one(facts: Facts) -> Missing:
    (found,) = what_is_missing(facts)
    return found


def waiting(*, committed: bool = True, judged: bool = False, erased: bool = False) -> Facts:
    arrival = Arrival(NOW - MINUTE, committed, judged, erased)
    return Facts(NOW, arrivals={"a": arrival})


def test_an_upload_is_due_at_once() -> None:
    found = one(waiting())
    assert (found.work, found.state, found.due) == (Work("judge", "a"), "due", NOW - MINUTE)


@pytest.mark.parametrize(
    "facts", [waiting(judged=True), waiting(erased=True), waiting(committed=False)]
)
def test_an_upload_with_a_verdict_a_tombstone_or_no_manifest_is_not_missing(facts: Facts) -> None:
    assert what_is_missing(facts) == ()


def test_what_a_run_does_is_not_due() -> None:
    found = one(replace(waiting(), live={Work("judge", "a")}))
    assert (found.state, found.due) == ("going on", None)


def test_pauses_double_up_to_the_longest() -> None:
    seconds = [LIGHT.pause(tries).total_seconds() for tries in range(9)]
    assert seconds == [0, 30, 60, 120, 240, 480, 900, 900, 900]
    assert HEAVY.pause(10**6) == timedelta(days=1)


def test_a_pause_begins_when_a_try_has_ended() -> None:
    work = Work("judge", "a")
    ledger = Ledger().launched([work], NOW - timedelta(hours=3))
    ledger = ledger.seen({work}, NOW - MINUTE).launched([], NOW)
    found = one(replace(waiting(), tries=dict(ledger.tries)))
    assert (found.tries, found.due) == (1, NOW - MINUTE + LIGHT.pause(1))


def test_what_failed_before_stands_behind_what_was_never_tried() -> None:
    arrivals = {name: Arrival(NOW - MINUTE * 9, True, False, False) for name in ("a", "b")}
    arrivals["c"] = Arrival(NOW, True, False, False)
    facts = Facts(NOW, arrivals=arrivals, tries={Work("judge", "a"): Tries(5, NOW - MINUTE * 60)})
    assert [missing.work.subject for missing in what_is_missing(facts)] == ["b", "c", "a"]


def test_the_automation_goes_first() -> None:
    facts = Facts(NOW, needs=(NEED,))
    assert one(facts).due == NEED.since + AUTOMATION_FIRST
    # Uploads that are being judged are released together, for a while.
    facts = replace(facts, live={Work("judge", "a")})
    assert one(facts).due == NEED.since + LONGEST_BATCH
    # When the last one has ended the automation goes first again.
    facts = replace(facts, live=frozenset(), busy={"user_faces": NOW})
    assert one(facts).due == NOW + AUTOMATION_FIRST


def test_a_crowd_is_released_a_few_times_however_long_it_takes() -> None:
    """A release every ten minutes would be six an hour, each with everybody judged so far."""
    facts = replace(waiting(), needs=(NEED,), live={Work("judge", "b")})

    def due(made: datetime) -> datetime | None:
        found = what_is_missing(replace(facts, busy={"twin_dataset": made}))
        return next(one.due for one in found if one.work.kind == "make")

    (since,) = (one.since for one in facts.arrivals.values())
    assert due(since - MINUTE) == NEED.since + LONGEST_BATCH
    assert due(since + MINUTE) == NEED.since + LONGEST_CROWD


def test_the_automation_comes_when_the_run_has_ended() -> None:
    """What a run made is in the bucket before it has ended, on a busy machine long before."""
    cause = Cause("twin_model", NOW - 9 * MINUTE, "there is another model")
    facts = Facts(NOW, needs=(Need("face_index", (cause,)),))
    assert one(facts).due == cause.since + AUTOMATION_FIRST
    assert one(replace(facts, live={Work("make", "twin_model")})).state == "going on"
    assert one(replace(facts, busy={"twin_model": NOW})).due == NOW + AUTOMATION_FIRST
    # Nor is anything launched for an older reason while the newest input is just there.
    older = Cause("twin_dataset", NOW - 9 * MINUTE, "other uploads are in the data set")
    two = Facts(NOW, needs=(Need("face_index", (older, cause)),), busy={"twin_model": NOW})
    assert one(two).due == NOW + AUTOMATION_FIRST
    # A new person does not wait for a training that goes on.
    new = Cause("twin_dataset", NOW - MINUTE, "other uploads are in the data set")
    both = replace(
        facts, needs=(Need("face_index", (cause, new)),), live={Work("make", "twin_model")}
    )
    assert one(both).due == new.since + AUTOMATION_FIRST


def test_a_gate_that_nobody_looked_at_is_looked_at() -> None:
    facts = Facts(NOW, needs=(NEED,), gates={GATE: GateState(unchecked=("enough_identities",))})
    make, check = sorted(what_is_missing(facts), key=lambda missing: missing.state, reverse=True)
    assert (make.work, make.state) == (Work("make", "twin_dataset"), "held up")
    assert "enough_identities did not look at the newest balanced_faces" in make.why
    assert (check.work, check.due) == (
        Work("check", "balanced_faces"),
        NEED.since + AUTOMATION_FIRST,
    )
    # The run that makes it brings its checks along.
    facts = replace(facts, live={Work("make", "balanced_faces")})
    assert {missing.due for missing in what_is_missing(facts)} == {None}
    assert {missing.state for missing in what_is_missing(facts)} == {"held up", "going on"}


def test_a_gate_that_was_failed_is_shown_after_ten_minutes() -> None:
    gates = {GATE: GateState(failed=("enough_identities did not pass. One is left.",))}
    found = one(Facts(NOW, needs=(NEED,), gates=gates))
    assert (found.state, found.due, found.too_long) == ("held up", None, False)
    assert "One is left." in found.why
    assert one(Facts(NOW + 10 * MINUTE, needs=(NEED,), gates=gates)).too_long


def test_what_waits_for_a_training_is_not_launched() -> None:
    need = replace(NEED, asset="face_index", waits_for="the first training")
    found = one(Facts(NOW + timedelta(hours=1), needs=(need,)))
    assert (found.state, found.too_long) == ("held up", False)
    assert one(Facts(NOW + timedelta(hours=13), needs=(need,))).too_long


def test_an_erasure_is_due_at_once_and_red_after_an_hour() -> None:
    found = one(Facts(NOW, erased_since=NOW))
    assert (found.work, found.due) == (Work("erase", "erasures"), NOW)
    assert one(Facts(NOW + timedelta(hours=2), erased_since=NOW)).too_long


def test_what_was_noted_while_the_sensor_looked_is_left_to_the_automation() -> None:
    """A verdict that the data set was not told of, for one: the time was asked before."""
    noted = NOW + timedelta(seconds=5)
    facts = Facts(NOW, needs=(replace(NEED, causes=(CAUSE._replace(since=noted),)),))
    assert one(facts).due == noted + AUTOMATION_FIRST


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(minutes=2)])
def test_a_moment_of_the_future_is_not_waited_for(ahead: timedelta) -> None:
    """The store's clock was ahead when it was noted."""
    late = Facts(NOW, needs=(replace(NEED, causes=(CAUSE._replace(since=NOW + ahead),)),))
    assert one(late).due == NOW
    tried = replace(waiting(), tries={Work("judge", "a"): Tries(9, NOW + ahead)})
    assert one(tried).due == NOW


def test_a_ledger_is_text_and_a_damaged_one_is_empty() -> None:
    ledger = Ledger(scanned="k", scan_began=NOW, told="t").launched([Work("judge", "a")], NOW)
    assert Ledger.read(ledger.text()) == ledger
    for text in (None, "", "01J00000000000000000000000", '{"tries": 3}'):
        assert Ledger.read(text) == Ledger()
    assert ledger.only(set()).tries == ()


def test_a_lease_is_shown_when_it_is_held_for_long() -> None:
    held = Facts(NOW, leases={"leases/judging": NOW - 10 * MINUTE})
    assert what_is_missing(held) == ()
    found = one(replace(held, now=NOW + MINUTE))
    assert found.work == Work("lease", "leases/judging")
    assert (found.state, found.due, found.too_long) == ("going on", None, True)
