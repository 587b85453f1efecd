"""After every history with faults: nothing accepted is lost, nothing is launched twice at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from twin_matcher_dagster.reconciliation.facts import Work
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster_tests.reconciliation.installation import Installation

EVENTS = st.lists(
    st.sampled_from(
        [
            *("upload", "erase", "celebrities"),
            *("work", "tick", "tick", "finish", "vanish", "cut", "cut"),
            *("wait a second", "wait a minute", "wait an hour", "forget"),
        ]
    ),
    max_size=60,
)
WAITS = {"wait a second": 1, "wait a minute": 60, "wait an hour": 3600}
ROUNDS = 60


def happen(installation: Installation, event: str) -> None:
    """One event of a history."""
    if event in WAITS:
        installation.wait(WAITS[event])
    elif event == "forget":
        installation.ledger = Ledger()  # the cursor is lost
    elif event == "work":
        installation.tick()
        installation.wait(31)
        installation.tick()
        installation.finish()
    else:
        getattr(installation, event)()


def settle_down(installation: Installation) -> None:
    """From now on every run ends well."""
    for _ in range(ROUNDS):
        missing = installation.tick()
        if not missing and not installation.runs:
            return
        installation.wait(30)
        while installation.runs:
            installation.finish()
        installation.wait(timedelta(days=1).total_seconds())
    raise AssertionError(f"still missing: {installation.tick()}")


def begun() -> Installation:
    """One whose celebrities were read, and no more."""
    installation = Installation()
    installation.celebrities()
    return installation


def grown() -> Installation:
    """One with a model that learnt four uploads."""
    installation = begun()
    for _ in range(8):
        installation.upload()
    settle_down(installation)
    assert len(installation.learnt & installation.released) == 4
    return installation


# A cut run left two assets at one gate, and its check was launched once for each.
@example(["upload", "upload", "celebrities", "work", "work", "work", "cut"], grown)
@given(EVENTS, st.sampled_from([begun, grown]))
@settings(max_examples=300)
def test_everything_gets_where_it_should_be(
    events: list[str], made: Callable[[], Installation]
) -> None:
    installation = made()
    for event in events:
        happen(installation, event)
    settle_down(installation)
    uploads = {f"{number:03d}" for number in range(1, installation.count + 1)}
    assert uploads == {*installation.judged, *installation.erased}
    accepted = {who for who, accepted in installation.judged.items() if accepted}
    assert installation.released == installation.members == accepted
    assert not installation.learnt & set(installation.erased)
    assert installation.completed == set(installation.erased)
    assert installation.ledger.tries == ()


@given(EVENTS)
@settings(max_examples=50)
def test_what_never_ends_well_is_never_given_up(events: list[str]) -> None:
    installation = Installation()
    for event in events:
        happen(installation, event)
    installation.upload()
    poisoned = Work("judge", f"{installation.count:03d}")
    launched = 0
    for _ in range(200):
        installation.tick()
        launched += poisoned in installation.runs
        installation.runs.clear()  # every run vanishes
        installation.wait(60)
    # Once at once, then after pauses that reach 15 minutes: 200 minutes hold at least 14.
    assert 14 <= launched <= 30
