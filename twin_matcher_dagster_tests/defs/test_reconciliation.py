"""The sensor on a real bucket and a real instance: what was lost is started again."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.storage.tags import PARTITION_NAME_TAG, WILL_RETRY_TAG
from dagster_aws.s3 import S3Resource
from ulid import ULID

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.dataset.versions import update_dataset
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.gates import LOOKED_AT
from twin_matcher_dagster.defs.reconciliation import observation, sensors
from twin_matcher_dagster.defs.reconciliation.report import CHECK
from twin_matcher_dagster.defs.reconciliation.sensors import reconciliation
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.reconciliation import missing
from twin_matcher_dagster.reconciliation.facts import GateState
from twin_matcher_dagster.review.deciding import decide
from twin_matcher_dagster.storage import layout, lease
from twin_matcher_dagster.storage.lease import leased
from twin_matcher_dagster.storage.logs import balanced_versions, trainings_due
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.training import TrainingDue
from twin_matcher_dagster.storage.records.uploads import Reviewed
from twin_matcher_dagster.uploads.arrivals import announce, arrivals
from twin_matcher_dagster.uploads.decisions import UploadDecision, get_decision
from twin_matcher_dagster_tests.graph import definitions, materialize
from twin_matcher_dagster_tests.kit import Kit


class Clock:
    """The store's clock, which a test moves on."""

    def __init__(self, store: ObjectStore) -> None:
        self.ahead = timedelta(0)
        self._now = store.now

    def now(self, *_: object) -> datetime:
        """As S3 says, and what the test added."""
        return self._now() + self.ahead


class Daemon:
    """Evaluates the sensor and notes what it asks for, as Dagster's daemon does; nothing is run."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursor: str | None = None
        self.said: Any = None

    def tick(self) -> list[str]:
        """One evaluation: what is launched, uploads by id and assets by name."""
        resource = ObjectStoreResource(s3=S3Resource(max_attempts=1), bucket=self.store.bucket)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"object_store": resource},
        ) as context:
            said: Any = reconciliation(context)
        self.said = said
        if isinstance(said, dg.SkipReason):
            return []
        self.cursor = said.cursor
        for request in said.dynamic_partitions_requests:
            self.instance.add_dynamic_partitions(
                request.partitions_def_name, request.partition_keys
            )
        for event in said.asset_events:
            self.instance.report_runless_asset_event(event)
        return [self._launch(request) for request in said.run_requests]

    def _launch(self, request: dg.RunRequest) -> str:
        tags = {PARTITION_NAME_TAG: request.partition_key} if request.partition_key else {}
        self.instance.add_run(
            dg.DagsterRun(
                job_name="of the sensor",
                run_id=str(uuid4()),
                tags=tags,
                status=dg.DagsterRunStatus.STARTED,
                asset_selection=frozenset(request.asset_selection or ()) or None,
                asset_check_selection=frozenset(request.asset_check_keys or ()) or None,
            )
        )
        # Uploads stand behind all else in the queue, but where a person decided.
        behind = request.partition_key and not get_decision(self.store, request.partition_key)
        assert bool(behind) is ("dagster/priority" not in request.tags)
        assets = [key.to_user_string() for key in request.asset_selection or ()]
        checks = [
            f"checks of {k.asset_key.to_user_string()}" for k in request.asset_check_keys or ()
        ]
        (what,) = assets or set(checks)
        return request.partition_key or what

    def end(self, *, will_retry: bool = False) -> None:
        """All runs are cut off, whatever they did."""
        for run in self.instance.get_runs():
            if not run.is_finished:
                self.instance.report_run_failed(run)
                tag = {WILL_RETRY_TAG: str(will_retry).lower()}
                self.instance.add_run_tags(run.run_id, tag)

    def is_red(self) -> bool:
        """Whether the newest evaluation of the check did not pass."""
        return not self._evaluation().passed

    def table(self) -> list[dict[str, Any]]:
        """What waits, by the newest evaluation of the check."""
        table = self._evaluation().metadata["what waits"]
        assert isinstance(table, dg.TableMetadataValue)
        return [dict(record.data) for record in table.records]

    def _evaluation(self) -> dg.AssetCheckEvaluation:
        key = dg.AssetCheckKey(dg.AssetKey(keys.PRODUCTION_RELEASE), CHECK)
        found = self.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        evaluation = found[key].evaluation
        assert evaluation
        return evaluation


@pytest.fixture
def clock(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(store)
    monkeypatch.setattr(ObjectStore, "now", made.now)
    return made


@pytest.fixture
def daemon(store: ObjectStore, clock: Clock) -> Daemon:
    return Daemon(store, clock)


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many uploads are judged at once: less than 50, to be quick."""
    for module in (observation, sensors):
        monkeypatch.setattr(module, "MOST_AT_ONCE", 5)
    return 5


def commit(store: ObjectStore, upload_id: str) -> str:
    """An upload's note and manifest, as a page leaves them."""
    announce(store, upload_id)
    store.put_new(layout.upload_manifest(upload_id), b"{}")
    return upload_id


def begun(minutes_ago: float) -> str:
    """An upload id that was made some time ago."""
    return str(ULID.from_datetime(datetime.now(timezone.utc) - timedelta(minutes=minutes_ago)))


def test_an_empty_bucket_lacks_nothing(daemon: Daemon) -> None:
    assert daemon.tick() == []
    assert str(daemon.said.skip_reason.skip_message) == "Everything is where it should be."


def test_every_upload_is_launched_once_at_a_time(store: ObjectStore, daemon: Daemon) -> None:
    """The system this one re-imagines kept only the last folder's identity."""
    uploads = [commit(store, begun(3)), commit(store, begun(2))]
    assert sorted(daemon.tick()) == uploads
    assert daemon.tick() == []
    third = commit(store, begun(1))
    assert daemon.tick() == [third]


# "The daemon dies between add_dynamic_partitions and the run request: 'no new upload' for ever".
def test_a_partition_is_no_proof_of_a_run(store: ObjectStore, daemon: Daemon) -> None:
    upload_id = commit(store, begun(1))
    daemon.instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
    assert daemon.tick() == [upload_id]


# "S3 refuses for 60 s during user_faces: FAILED with its 3 retries used; never started again".
# "17 without any verdict, for good".
def test_a_run_that_failed_is_launched_again_ever_less_often(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    upload_id = commit(store, begun(1))
    launched = []
    for minute in range(20):
        clock.ahead = timedelta(minutes=minute)
        if daemon.tick():
            launched.append(minute)
        daemon.end()
    assert launched == [0, 1, 2, 4, 8, 16]
    clock.ahead = timedelta(hours=1)
    assert daemon.tick() == [upload_id]
    (line,) = daemon.table()
    assert (line["tries"], "it was cut off" in line["why"]) == (6, True)


# "One tick with the clock a day ahead; a page's clock 2 h behind; a commit 61 min after the id".
@pytest.mark.parametrize("minutes_ago", [-24 * 60, 2 * 60, 61])
def test_no_clock_and_no_id_decides_what_is_seen(
    store: ObjectStore, daemon: Daemon, clock: Clock, minutes_ago: float
) -> None:
    clock.ahead = timedelta(days=1)
    first = commit(store, begun(0))
    assert daemon.tick() == [first]
    clock.ahead = timedelta(0)
    second = commit(store, begun(minutes_ago))
    assert daemon.tick() == [second]
    daemon.end()
    # What was launched when the clock was ahead is not waited for until it is that late.
    clock.ahead = timedelta(minutes=2)
    assert set(daemon.tick()) == {first, second}


def test_a_poisoned_upload_holds_up_nobody(
    store: ObjectStore, daemon: Daemon, clock: Clock, few_at_once: int
) -> None:
    poisoned = [commit(store, begun(9)) for _ in range(3)]
    for minute in (0, 1, 2, 4, 8, 16, 40):
        clock.ahead = timedelta(minutes=minute)
        daemon.tick()
        daemon.end()
    others = sorted(commit(store, begun(1)) for _ in range(few_at_once))
    assert sorted(daemon.tick()) == others
    lines = {line["missing"]: line for line in daemon.table()}
    for upload_id in poisoned:
        line = lines[f"verdict on the upload {upload_id}"]
        assert "it was cut off" in line["why"]


def test_many_uploads_are_launched_in_batches(
    store: ObjectStore, daemon: Daemon, few_at_once: int
) -> None:
    for _ in range(few_at_once + 2):
        commit(store, begun(5))
    first = daemon.tick()
    assert len(first) == few_at_once
    assert daemon.tick() == []  # as many as are judged at once are on their way
    for upload_id in first:
        Kit(store).judge(upload_id, state="rejected")
    daemon.end()
    assert len(daemon.tick()) == 2


def test_an_upload_without_a_note_is_found_by_the_scan(
    store: ObjectStore, daemon: Daemon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a page of an earlier version; more than one page of the scan."""
    monkeypatch.setattr(observation, "scan", lambda store, after: real(store, after, 2))
    uploads = [begun(9 - number) for number in range(5)]
    for upload_id in uploads:
        store.put_new(layout.upload_manifest(upload_id), b"{}")
    Kit(store).judge(uploads[3], state="flagged")
    launched = [one for _ in range(4) for one in daemon.tick()]
    assert launched == [uploads[0], uploads[1], uploads[2], uploads[4]]
    late = begun(1)
    store.put_new(layout.upload_manifest(late), b"{}")
    assert daemon.tick() == []  # the next scan comes within the hour
    clock.ahead = timedelta(hours=1)
    assert late in [one for _ in range(4) for one in daemon.tick()]


real = observation.scan


def test_a_verdict_that_the_data_set_was_not_told_of(
    store: ObjectStore, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was cut off right after the verdict, or before its note was taken away."""
    # On a busy machine more time passes than the automation is left for the checks.
    monkeypatch.setattr(missing, "AUTOMATION_FIRST", timedelta(hours=1))
    kit = Kit(store)
    kit.celebrities()
    update_dataset(store)
    upload_id = kit.upload()
    kit.judge(upload_id, noted=False)
    assert daemon.tick() == []
    assert list(arrivals(store)) == []
    assert [key.split("/")[-1] for key in store.list(f"{layout.CHANGES}/")] == [
        f"{upload_id}.1.json"
    ]


def test_an_accepted_upload_whose_note_is_lost_is_found_by_the_scan(
    store: ObjectStore, daemon: Daemon
) -> None:
    kit = Kit(store)
    kit.celebrities()
    update_dataset(store)
    upload_id = kit.upload()
    kit.judge(upload_id, noted=False)
    store.delete(layout.arrival(upload_id))
    daemon.tick()
    assert f"{layout.CHANGES}/{upload_id}.1.json" in set(store.list(layout.CHANGES))


def test_half_uploads_and_foreign_objects_are_ignored(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    store.put_new(f"uploads/faces/{begun(1)}/000.png", b"half an upload")
    store.put_new(layout.upload_manifest("readme"), b"not ours")
    store.put_new(f"{layout.ARRIVALS}/readme", b"not ours")
    store.put_new(layout.upload_manifest("7" + "Z" * 25), b"of the year 10889")
    announce(store, begun(1))
    assert daemon.tick() == []
    assert len(arrivals(store)) == 1
    clock.ahead = timedelta(hours=2)
    assert daemon.tick() == []
    assert len(arrivals(store)) == 0  # committed later, it is found by the scan


def test_a_silent_store_is_waited_for(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        assert daemon.tick() == []
    assert isinstance(daemon.said, dg.SkipReason)
    assert "S3 does not answer" in str(daemon.said.skip_message)


# "The newer materialization has no execution of the blocking check": closed for ever, in silence.
def test_a_gate_that_nobody_looked_at_is_shown_and_opened(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    Kit(store).celebrities()
    daemon.tick()
    clock.ahead = timedelta(minutes=1)
    assert daemon.tick() == [f"checks of {keys.BALANCED_FACES}"]
    (request,) = daemon.said.run_requests
    assert {key.name for key in request.asset_check_keys} == set(
        keys.BLOCKING_CHECKS[keys.BALANCED_FACES]
    )
    daemon.end()
    clock.ahead = timedelta(minutes=11)
    daemon.tick()
    daemon.end()
    assert daemon.is_red()
    (line,) = (one for one in daemon.table() if one["missing"] == keys.TWIN_DATASET)
    assert "enough_identities" in line["why"]
    # Its checks are made, and the data set with it: the automation missed both.
    say(daemon.instance, balanced_versions(store).existing_head().fingerprint)
    clock.ahead = timedelta(minutes=13)
    assert daemon.tick() == [keys.TWIN_DATASET]
    update_dataset(store)
    daemon.end()
    daemon.tick()
    missing = {line["missing"]: line["is"] for line in daemon.table()}
    assert keys.TWIN_DATASET not in missing


def say(instance: dg.DagsterInstance, version: str, *, passed: bool = True) -> None:
    """What the checks of the celebrities say of a version."""
    for name in keys.BLOCKING_CHECKS[keys.BALANCED_FACES]:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(keys.BALANCED_FACES),
                check_name=name,
                passed=passed,
                description="One is left.",
                metadata={LOOKED_AT: version},
            )
        )


def test_a_gate_that_was_failed_stays_closed_and_says_why(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    Kit(store).celebrities()
    say(daemon.instance, balanced_versions(store).existing_head().fingerprint, passed=False)
    daemon.tick()
    assert not daemon.is_red()
    clock.ahead = timedelta(minutes=11)
    assert daemon.tick() == []
    assert daemon.is_red()
    (line,) = daemon.table()
    assert (line["is"], "One is left." in line["why"]) == ("held up", True)


def test_the_whole_chain_is_made_link_by_link(
    store: ObjectStore, daemon: Daemon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the bucket is asked: without a single event of Dagster's automation."""
    monkeypatch.setattr(observation, "gate_state", lambda *_: GateState())
    kit = Kit(store)
    kit.celebrities()

    def launched() -> list[str]:
        daemon.end()
        clock.ahead += timedelta(hours=1)
        return daemon.tick()

    assert launched() == [keys.TWIN_DATASET]
    update_dataset(store)
    assert launched() == [keys.RETRAINING]
    trainings_due(store).commit(TrainingDue(fingerprint="due", reasons=("there is no model yet",)))
    assert launched() == [keys.TWIN_MODEL]
    time.sleep(1.1)  # the store's times are to the second
    model = kit.train()
    assert launched() == [keys.FACE_INDEX]
    kit.index(model)
    assert launched() == [keys.PRODUCTION_RELEASE]
    kit.release(model)
    assert launched() == [keys.TWIN_PAIRS]
    kit.pairs()
    assert launched() == []
    upload_id = kit.upload()
    assert launched() == [upload_id]
    kit.judge(upload_id)
    assert launched() == [keys.TWIN_DATASET]
    update_dataset(store)
    assert launched() == [keys.FACE_INDEX]
    kit.release(model)
    assert launched() == [keys.TWIN_PAIRS]
    kit.pairs()
    erase(store, upload_id, timedelta(days=1))
    assert set(launched()) == {keys.ERASURES, keys.TWIN_PAIRS}
    assert materialize(daemon.instance, [keys.ERASURES, keys.TWIN_PAIRS]).success
    assert launched() == []
    assert str(daemon.said.skip_reason.skip_message) == "Everything is where it should be."


def test_an_erasure_is_launched_until_it_is_complete(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    kit = Kit(store)
    for hour in range(2):
        clock.ahead = timedelta(hours=hour)
        erase(store, kit.upload(), timedelta(days=1))
        assert daemon.tick() == [keys.ERASURES]
        assert daemon.tick() == []
        daemon.end()
        clock.ahead += timedelta(minutes=1)
        assert daemon.tick() == [keys.ERASURES]
        daemon.end()
        assert materialize(daemon.instance, [keys.ERASURES]).success
        assert daemon.tick() == []


@pytest.mark.parametrize("damage", ["an entry", "a list of members"])
def test_what_cannot_be_read_holds_up_no_upload(
    store: ObjectStore, daemon: Daemon, damage: str
) -> None:
    kit = Kit(store)
    key = kit.celebrities().key
    if damage == "an entry":
        store.overwrite(key, b"{")
    else:
        kit.member()
        (key,) = store.list(layout.MEMBERS)
        store.delete(key)
    upload_id = kit.upload()
    assert daemon.tick() == [upload_id]
    (line,) = (one for one in daemon.table() if one["is"] == "held up")
    assert "cannot be read" in line["why"]
    assert key in line["why"]


def test_a_run_that_dagster_will_start_again_is_on_its_way(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    """A retry and a new launch of the same work are one."""
    commit(store, begun(1))
    daemon.tick()
    daemon.end(will_retry=True)
    clock.ahead = timedelta(hours=1)
    assert daemon.tick() == []
    (run,) = daemon.instance.get_runs()
    daemon.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another"})
    clock.ahead = timedelta(hours=2)
    assert len(daemon.tick()) == 1


def test_a_lease_that_is_held_for_long_is_red_and_one_of_a_dead_holder_is_let_go(
    store: ObjectStore, daemon: Daemon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leased(store, layout.JUDGING_LEASE):
        clock.ahead = timedelta(minutes=11)
        daemon.tick()
        (line,) = daemon.table()
        assert line["missing"] == "release of leases/judging"
        assert daemon.is_red()
        monkeypatch.setattr(lease, "EXPIRES_AFTER_S", -5.0)  # the store's clock ticks in seconds
        daemon.tick()
        assert json.loads(store.get(layout.JUDGING_LEASE))["holder"] == ""
    clock.ahead = timedelta(minutes=22)
    daemon.tick()
    assert not daemon.is_red()


def test_the_check_is_told_when_it_says_something_new(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    """The event log keeps every evaluation; a tick every 5 seconds would fill it."""
    told = {}
    for minute in (0, 1, 5, 11, 22, 23):
        if minute == 5:
            commit(store, begun(0))
        clock.ahead = timedelta(minutes=minute)
        daemon.tick()
        told[minute] = len(daemon.said.asset_events)
    assert told == {0: 1, 1: 0, 5: 0, 11: 1, 22: 1, 23: 0}
    clock.ahead = timedelta(minutes=31)
    daemon.tick()
    assert (len(daemon.said.asset_events), daemon.is_red()) == (1, True)


def test_the_check_can_be_asked_by_hand(store: ObjectStore) -> None:
    instance = dg.DagsterInstance.ephemeral()
    key = dg.AssetCheckKey(dg.AssetKey(keys.PRODUCTION_RELEASE), CHECK)
    job = definitions().resolve_implicit_global_asset_job_def()
    job = job.get_subset(asset_check_selection={key}, asset_selection=set())
    Kit(store).upload()
    result = job.execute_in_process(instance=instance)
    (found,) = result.get_asset_check_evaluations()
    assert found.passed
    assert str(found.description) == (
        "1 uploads wait for a verdict. 0 of 1 for longer than the limit."
    )


def test_what_a_person_decided_is_launched_and_goes_first(
    store: ObjectStore, daemon: Daemon, clock: Clock
) -> None:
    kit = Kit(store)
    decided, waits = kit.upload(), kit.upload()
    kit.judge(decided, state="flagged")
    decide(store, Principal("rita@example.com", Role.REVIEWER), decided, UploadDecision.accept)
    assert sorted(daemon.tick()) == sorted([decided, waits])
    ahead = {one.partition_key for one in daemon.said.run_requests if one.tags}
    assert ahead == {decided}
    # A run that was cut off is no reason to forget it.
    daemon.end()
    clock.ahead = timedelta(minutes=5)
    assert decided in daemon.tick()
    kit.judge(decided, review=Reviewed("accept"))
    daemon.end()
    clock.ahead = timedelta(minutes=30)
    assert decided not in daemon.tick()
    assert decided not in arrivals(store)
