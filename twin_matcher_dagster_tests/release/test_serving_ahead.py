"""The release is looked for ahead: nobody waits, and what is old is not shown for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from twin_matcher_dagster.errors import NoReleaseError, StoreAwayError
from twin_matcher_dagster.release import serving
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.twin_finder import TwinFinder
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster_tests.faulty_store import Fault, FaultyStore
from twin_matcher_dagster_tests.kit import Kit


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "NEWEST_ASKED_EVERY_S", 0.05)
    monkeypatch.setattr(TwinFinder, "warm", lambda self: None)  # the kit's rows are noise


@pytest.fixture
def production(kit: Kit, faulty: FaultyStore) -> Iterator[Production]:
    """Which looks ahead, by way of the proxy."""
    made = Production(ObjectStore(faulty.client(PAGE_CONFIG), kit.store.bucket), patience_s=3.0)
    made.start()
    yield made
    made.stop()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def another(kit: Kit) -> None:
    """A newer release, of the same model."""
    kit.release(kit.train(real=True))


def test_it_is_ready_before_it_is_asked(production: Production, faulty: FaultyStore) -> None:
    until(lambda: production.status().ready)
    assert production.status().release == 1
    faulty.passed.clear()
    with faulty.having(Fault("silent")):
        assert production.finder().number == 1  # and asks nothing


def test_a_newer_release_takes_its_place_and_nobody_waits_for_it(
    kit: Kit, production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: production.status().ready)
    may_go_on, warmed = threading.Event(), []

    def warm(self: TwinFinder) -> None:
        warmed.append(self.number)
        assert may_go_on.wait(30)

    monkeypatch.setattr(TwinFinder, "warm", warm)
    another(kit)
    until(lambda: warmed == [2])
    assert production.finder().number == 1
    may_go_on.set()
    until(lambda: production.finder().number == 2)


def test_a_withdrawal_stops_it(kit: Kit, production: Production) -> None:
    until(lambda: production.status().ready)
    releases(kit.store).append(Withdrawn.because("of a test"))
    until(lambda: not production.status().ready)
    assert "withdrawn, because of a test" in production.status().reason
    with pytest.raises(NoReleaseError, match="withdrawn, because of a test"):
        production.finder()
    another(kit)
    until(lambda: production.status().ready)
    assert production.finder().number == 3


def test_a_release_that_was_erased_from_is_read_again(kit: Kit, production: Production) -> None:
    """The newest entry has other words under the same number."""
    until(lambda: production.status().ready)
    before = production.finder()

    def other(record: Release | Withdrawn) -> Release | Withdrawn:
        assert isinstance(record, Release)
        return replace(record, override="another word")

    assert releases(kit.store).rewrite(1, other)
    until(lambda: production.finder() is not before)
    assert production.finder().number == 1


def test_alone_it_answers_for_a_while(
    production: Production, faulty: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: production.status().ready)
    with faulty.having(Fault("refused")):
        assert production.finder().number == 1
        monkeypatch.setattr(serving, "LONGEST_ALONE_S", 0.3)
        until(lambda: not production.status().ready)
        assert "is still the newest" in production.status().reason
        with pytest.raises(StoreAwayError, match="Somebody may have been erased since"):
            production.finder()
    until(lambda: production.status().ready)
    assert production.finder().number == 1


def test_one_that_does_not_look_ahead_is_bounded_as_well(
    kit: Kit, faulty: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Production(ObjectStore(faulty.client(PAGE_CONFIG), kit.store.bucket), patience_s=1.0)
    made.finder()
    with faulty.having(Fault("refused")):
        assert made.finder().number == 1
        monkeypatch.setattr(serving, "LONGEST_ALONE_S", 0.0)
        with pytest.raises(StoreAwayError, match="answers no more"):
            made.finder()
    assert made.finder().number == 1


def test_a_release_that_cannot_be_read_is_no_reason_to_go_on_for_ever(
    kit: Kit, production: Production, faulty: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket answers, and says that there is a newer one: it may be without somebody."""
    until(lambda: production.status().ready)
    monkeypatch.setattr(serving, "LONGEST_ALONE_S", 0.5)
    with faulty.having(Fault("500", path="/files/")):
        another(kit)
        until(lambda: not production.status().ready)
    until(lambda: production.finder().number == 2 if production.status().ready else False)


def test_an_empty_bucket_is_no_fault(store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    made = Production(store)
    made.start()
    made.start()  # once more changes nothing
    until(lambda: bool(made.status().reason) and "no model yet" in made.status().reason)
    assert not made.status().ready
    with pytest.raises(NoReleaseError, match="no model yet"):
        made.finder()
    made.stop()
    made.stop()
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
