"""What is said while a release is waited for, and when the waiting ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

import dagster as dg
import pytest

from twin_matcher_dagster.cli import follower
from twin_matcher_dagster.cli.display import Display
from twin_matcher_dagster.cli.follower import HeldUpError, StalledError, follow
from twin_matcher_dagster.cli.outlook import Lookout, Outlook, outlook_of
from twin_matcher_dagster.cli.run_watcher import Stage, Watcher
from twin_matcher_dagster.defs.reconciliation.observation import Observation
from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.reconciliation.facts import Cause, Content, Facts, GateState, Need, Work
from twin_matcher_dagster.reconciliation.missing import what_is_missing
from twin_matcher_dagster.release.promotion import restore_champion
from twin_matcher_dagster.storage.logs import indexes, models
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.records import MODEL
from twin_matcher_dagster_tests.release.test_promotion import Champions, answers, index_of

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
GATE = Content("balanced_faces", "f00")
CLOSED = GateState(failed=("enough_identities did not pass. MIN_FACES=3 lets all of them in.",))
OTHERS = Cause("balanced_faces", NOW, "the celebrities are others")
TOLD = "twin_dataset is missing: the celebrities are others; held up: enough_identities did not"
NOTHING, SOMETHING = Outlook(follows=False), Outlook(follows=True, reasons=("It goes on.",))


class Silent:
    """A display that shows nothing."""

    def show(self, name: str, stage: Stage) -> None: ...


class Quiet:
    """A watcher of an instance that is busy for so many looks, and then has no run any more."""

    def __init__(self, busy: int, stages: dict[str, Stage]) -> None:
        self._busy, self._stages = busy, stages

    def stages(self) -> dict[str, Stage]:
        return self._stages

    def busy(self) -> bool:
        self._busy -= 1
        return self._busy >= 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, which pass by sleeping alone."""
    now = [0.0]
    monkeypatch.setattr(follower.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(follower.time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    return now


def wait(
    found: Outlook, done: Callable[[], bool] = lambda: False, busy: int = 0, **stages: Stage
) -> None:
    watcher, display = cast("Watcher", Quiet(busy, stages)), cast("Display", Silent())
    follow(watcher, display, done, lambda: found, Path("a.log"))


def outlook_with(gate: GateState, *live: Work) -> Outlook:
    """What is to be expected where a data set is to be made behind a gate."""
    needs = (Need("twin_dataset", (OTHERS,), GATE),)
    facts = Facts(NOW, needs=needs, gates={GATE: gate}, live=frozenset(live))
    return outlook_of(what_is_missing(facts), "")


def test_a_closed_gate_is_told_as_soon_as_nothing_goes_on(clock: list[float]) -> None:
    with pytest.raises(HeldUpError, match=rf"{TOLD} pass. MIN_FACES=3 lets all of them in. The "):
        wait(outlook_with(CLOSED), busy=300)
    assert 300 < clock[0] < 315


@pytest.mark.parametrize("live", [(), ("balanced_faces",), ("twin_dataset",)])
def test_what_follows_is_waited_for(clock: list[float], live: tuple[str, ...]) -> None:
    found = outlook_with(GateState(), *(Work("make", one) for one in live))
    assert found.follows
    wait(found, lambda: clock[0] > 60)


@pytest.mark.parametrize(
    ("found", "words"), [(SOMETHING, "It goes on"), (NOTHING, "Nothing else is missing")]
)
def test_what_does_not_come_is_told_after_a_while(
    clock: list[float], found: Outlook, words: str
) -> None:
    with pytest.raises(StalledError, match=f"Nothing happened for 90 seconds.*{words}"):
        wait(found)
    assert 90 < clock[0] < 95


@pytest.mark.usefixtures("clock")
def test_what_failed_is_told_though_an_earlier_release_is_there() -> None:
    with pytest.raises(ServicesError, match="raw_faces failed: It is empty"):
        wait(NOTHING, lambda: True, raw_faces=Stage("failed", note="It is empty."))


def test_why_a_model_was_refused_is_told(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is missing then, or an index that waits for the next model."""
    monkeypatch.setattr(Observation, "facts", lambda seen: Facts(NOW))
    Champions(store).release(answers(0.9), "old")
    with dg.DagsterInstance.ephemeral() as instance:
        lookout = Lookout(store, instance)
        assert lookout.outlook() == NOTHING
        challenger = models(store).append(replace(MODEL, fingerprint="new", refused=None))
        index = indexes(store).append(index_of(store, answers(0.5), "new"))
        restore_champion(store, challenger, index, "data")
        found = lookout.outlook()
        assert Lookout(store, instance).outlook() == NOTHING, "it was refused before"
    assert not found.follows
    (sentence,) = found.reasons
    for words in (
        "was refused",
        "On 120 held-out faces it is worse than release 1: rank-1 -40.0 points",
        'twin-matcher release override "why"',
        "EPOCHS",
    ):
        assert words in sentence
