"""S3 fails while Dagster works: a run waits for it, a look of the sensor is given up in time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.reconciliation import sensors
from twin_matcher_dagster.defs.uploads import assets
from twin_matcher_dagster.storage import patience
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import arrivals
from twin_matcher_dagster_tests.defs.test_reconciliation import Clock, Daemon
from twin_matcher_dagster_tests.faulty_store import KINDS, Fault, FaultyStore, Kind
from twin_matcher_dagster_tests.graph import materialize
from twin_matcher_dagster_tests.kit import Kit


@pytest.fixture
def through(
    store: ObjectStore, faulty: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyStore]:
    """The proxy, by which Dagster's resource reaches the bucket of the test."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", faulty.url)
    yield faulty
    faulty.heal()


@pytest.fixture
def daemon(store: ObjectStore) -> Daemon:
    return Daemon(store, Clock(store))


def judged_during(
    trouble: Fault, seconds: float, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, faulty: Any
) -> dg.ExecuteInProcessResult:
    """One run of ``user_faces``; S3 fails for a while once the faces were examined."""
    examine = assets.examine

    def examined(*arguments: Any) -> Any:
        found = examine(*arguments)
        faulty.set(trouble)
        threading.Timer(seconds, faulty.heal).start()
        return found

    monkeypatch.setattr(assets, "examine", examined)
    upload_id = Kit(store).upload()
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
    result = materialize(instance, [keys.USER_FACES], partition_key=upload_id)
    assert result.success
    assert verdicts(store, upload_id).head_number() == 1
    assert list(arrivals(store)) == []
    events = [event.event_type_value for event in result.all_events]
    assert "STEP_RESTARTED" not in events
    return result


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("refused", 1.5),
        ("full", 1.5),
        # "S3 refuses for 60 s during user_faces: FAILED after 37 s with its 3 retries used".
        pytest.param("refused", 60, marks=pytest.mark.slow),
        *(pytest.param(kind, 20, marks=pytest.mark.slow) for kind in KINDS if kind != "clock"),
    ],
)
def test_an_upload_is_judged_when_the_store_is_back(
    kind: Kind,
    seconds: float,
    store: ObjectStore,
    through: FaultyStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if seconds < 10:
        monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.2)
    with caplog.at_level(logging.WARNING):
        judged_during(Fault(kind, seconds=0.2), seconds, store, monkeypatch, through)
    if kind not in ("slow", "silent"):  # these end well without an error once they are healed
        assert "S3 is waited for" in caplog.text


def test_a_look_is_given_up_in_time_with_a_reason_and_the_next_one_launches(
    store: ObjectStore, through: FaultyStore, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = Kit(store).upload()
    for kind in KINDS:
        if kind in ("clock", "full"):
            continue  # nothing is wrong with these
        monkeypatch.setattr(sensors, "LOOKING_SECONDS", 1.0)
        began = time.monotonic()
        with through.having(Fault(kind, seconds=0.05)):
            assert daemon.tick() == [], kind
        assert time.monotonic() - began < 30, kind
        assert isinstance(daemon.said, dg.SkipReason), kind
        assert "S3" in str(daemon.said.skip_message)
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", through.url)
    assert daemon.tick() == [upload_id]


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_a_clock_that_jumps_and_comes_back_delays_nobody(
    ahead: float, store: ObjectStore, through: FaultyStore, daemon: Daemon
) -> None:
    first = Kit(store).upload()
    with through.having(Fault("clock", seconds=ahead)):
        assert daemon.tick() == [first]
        second = Kit(store).upload()
        assert daemon.tick() == [second]
        daemon.end()
    assert sorted(daemon.tick()) == sorted([first, second])
    daemon.end()
    with through.having(Fault("clock", seconds=ahead)):
        third = Kit(store).upload()
        assert third in daemon.tick()
