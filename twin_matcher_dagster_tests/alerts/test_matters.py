"""What matters, by the facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from twin_matcher_dagster.alerts.matters import Matter, Seen, matters_of
from twin_matcher_dagster.erasure.deadlines import Deadline
from twin_matcher_dagster.reconciliation.chain import Chain, ModelFact, ReleaseFact
from twin_matcher_dagster.reconciliation.facts import (
    Arrival,
    Cause,
    Content,
    Facts,
    FailedRun,
    GateState,
    Need,
)
from twin_matcher_dagster.reconciliation.missing import what_is_missing

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
UPLOAD = "01KB0000000000000000000000"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GATE = Content("face_index", "abc")
BEHIND = Need("production_release", (Cause("face_index", NOW - HOUR, "another index"),), GATE)
FAILED = GateState(failed=("held_out_faces_are_found did not pass. Zoë was lost.",))


def seen(facts: Facts | None = None, **more: object) -> Seen:
    facts = facts or Facts(NOW)
    return replace(Seen(facts, what_is_missing(facts)), **more)


def kinds(of: Seen, known: tuple[str, ...] = ()) -> list[str]:
    return [one.kind for one in matters_of(of, known)]


def test_where_all_is_well_nothing_matters() -> None:
    assert kinds(seen(chain=Chain(release=ReleaseFact(NOW - 90 * DAY, ("x",), False, 3)))) == []


def test_who_waits_for_a_person_matters_each() -> None:
    other = UPLOAD[:-1] + "1"
    found = matters_of(seen(flagged={UPLOAD: NOW, other: NOW}))
    assert [one.kind for one in found] == ["flagged", "flagged"]
    assert len({one.mark for one in found}) == 2
    # What is kept of it names nobody.
    assert all(UPLOAD not in one.mark and one.said == "an upload" for one in found)


def test_a_failed_run_matters_by_what_it_was_for() -> None:
    first, again = (FailedRun("twin_model", run, "OSError", NOW) for run in ("a", "b"))
    (one,), (other,) = matters_of(seen(failed=[first])), matters_of(seen(failed=[again]))
    assert one.mark == other.mark
    (of_upload,) = matters_of(seen(failed=[first._replace(what=f"user_faces of {UPLOAD}")]))
    assert of_upload.said == "user_faces of an upload"
    assert one.said == "twin_model"


def test_a_refused_model_matters() -> None:
    model = ModelFact(NOW, "m", "c", refused="data")
    (one,) = matters_of(seen(chain=Chain(model=model)))
    assert (one.kind, one.subject) == ("refused", "data")
    assert kinds(seen(chain=Chain(model=replace(model, refused="")))) == []


def test_a_closed_gate_matters_once_and_by_the_names_of_its_checks() -> None:
    facts = Facts(NOW, needs=(BEHIND,), gates={GATE: FAILED})
    gate, *rest = matters_of(seen(facts))
    assert (gate.kind, gate.subject) == ("gate", "face_index")
    assert gate.detail == "held_out_faces_are_found"
    # It has been for an hour, which is too long; that is the gate's matter and no second one.
    assert [one.kind for one in rest] == ["unreleased"]


def test_what_waits_for_too_long_is_one_matter_of_uploads_and_one_an_asset() -> None:
    arrivals = {f"{UPLOAD[:-1]}{n}": Arrival(NOW - HOUR, True, False, False) for n in range(9)}
    facts = Facts(NOW, arrivals, (replace(BEHIND, gate=None),))
    found = [one for one in matters_of(seen(facts)) if one.kind == "stuck"]
    assert sorted(one.subject for one in found) == ["production_release", "verdicts"]


def test_nothing_released_matters_where_something_waits_and_after_days() -> None:
    chain = Chain(release=ReleaseFact(NOW - 90 * DAY, ("x",), False, 3))
    facts = Facts(NOW, needs=(replace(BEHIND, causes=(Cause("x", NOW - MINUTE, "y"),)),))
    (one,) = matters_of(seen(facts, chain=chain, release_pause=5 * DAY))
    assert (one.kind, one.subject, one.pause) == ("unreleased", "3", 5 * DAY)
    # Pairs of visitors are no release.
    pairs = Need("twin_pairs", (Cause("production_release", NOW, "another release"),))
    assert kinds(seen(Facts(NOW, needs=(pairs,)), chain=chain)) == []


@pytest.mark.parametrize(("left", "near"), [(7, False), (6, True), (1, True), (-1, True)])
def test_an_erasure_matters_in_the_last_quarter_of_its_time(left: float, near: bool) -> None:
    by = NOW + left * HOUR
    deadline = Deadline(by - 24 * HOUR, by, 2)
    assert kinds(seen(deadline=deadline)) == ["erasure"] * near


@pytest.mark.parametrize(
    ("free", "was_low", "low"),
    [(0.5, False, False), (0.11, False, False), (0.11, True, True), (0.09, False, True)],
)
def test_a_disk_that_hovers_at_the_limit_is_told_once(
    free: float, was_low: bool, low: bool
) -> None:
    known = (Matter("disk", "home", NOW).mark,) if was_low else ()
    assert kinds(seen(free={"home": free}), known) == ["disk"] * low
