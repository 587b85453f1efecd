"""The sensor on a real bucket, a real instance and a real receiver: what matters is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from botocore.client import BaseClient
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster_aws.s3 import S3Resource

from twin_matcher_dagster.cli import alerts as commands
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.failed_runs import failed_runs
from twin_matcher_dagster.defs.reconciliation import alerts as telling
from twin_matcher_dagster.defs.reconciliation.alerts import alerts
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.errors import ReceiverError
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.alerts.receivers import HttpReceiver, closed_port, http_receiver
from twin_matcher_dagster_tests.kit import Kit

SECRET = "T0PSECRET"


@pytest.fixture(scope="module")
def running() -> Iterator[HttpReceiver]:
    with http_receiver() as server:
        yield server


@pytest.fixture
def receiver(running: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> HttpReceiver:
    running.got.clear()
    running.status = 200
    monkeypatch.setenv("ALERT_WEBHOOK", f"{running.url}/{SECRET}")
    monkeypatch.setenv("DAGSTER_URL", "https://desk.example/")
    monkeypatch.setattr(telling, "_free", lambda settings: {})
    return running


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


class Sensor:
    """Evaluates it as Dagster's daemon does."""

    def __init__(self, store: ObjectStore, instance: dg.DagsterInstance) -> None:
        self.store, self.instance = store, instance
        self.cursor: str | None = None
        self.evaluations: Sequence[dg.AssetCheckEvaluation] = ()

    def tick(self) -> str:
        resource = ObjectStoreResource(s3=S3Resource(max_attempts=1), bucket=self.store.bucket)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"object_store": resource, "settings": SettingsResource()},
        ) as context:
            said: Any = alerts(context)
        if isinstance(said, dg.SkipReason):
            return said.skip_message or ""
        self.cursor = said.cursor
        self.evaluations = said.asset_events
        return said.skip_reason.skip_message


@pytest.fixture
def sensor(store: ObjectStore, instance: dg.DagsterInstance) -> Sensor:
    return Sensor(store, instance)


def texts(receiver: HttpReceiver) -> list[str]:
    return [body["text"] for _, body in receiver.got]


def test_a_flagged_upload_is_told_once_and_is_over_when_it_is_decided(
    sensor: Sensor, receiver: HttpReceiver
) -> None:
    kit = Kit(sensor.store)
    assert sensor.tick() == "0 matters, and nothing new to tell."
    upload_id = kit.upload(name="Zoë Ödegård")
    kit.judge(upload_id, state="flagged", flags=("looks like Ana Aranda",))
    assert "An upload waits for a person" in sensor.tick()
    for _ in range(3):
        assert sensor.tick() == "1 matters, and nothing new to tell."
    (text,) = texts(receiver)
    assert f"https://desk.example/review/uploads/{upload_id}" in text
    # Nobody's name goes over a network that we do not know.
    assert "Zoë" not in text
    assert "Ana" not in text
    kit.judge(upload_id)
    sensor.tick()
    assert b"flagged" not in sensor.store.get(layout.ALERTS_TOLD)


def test_an_erasure_leaves_nothing_of_it(sensor: Sensor, receiver: HttpReceiver) -> None:
    kit = Kit(sensor.store)
    upload_id = kit.upload()
    kit.judge(upload_id, state="flagged")
    sensor.tick()
    erase(sensor.store, upload_id, Settings().retrain_within)
    left = [key for key, body in sensor.store.everything() if upload_id.encode() in body]
    assert left == []
    sensor.tick()
    assert len(receiver.got) == 1


def test_a_receiver_that_fails_is_told_later_and_its_address_nowhere(
    sensor: Sensor, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(sensor.store)
    kit.judge(kit.upload(), state="flagged")
    receiver.status = 500
    said = sensor.tick()
    assert "127.0.0.1 answered 500" in said
    assert SECRET not in said
    assert sensor.tick() == "1 matters, and nothing new to tell."  # let alone for a while
    receiver.status = 200
    now, a_minute = sensor.store.now(), timedelta(minutes=1)
    monkeypatch.setattr(ObjectStore, "now", lambda self: now + a_minute)
    assert "webhook was told" in sensor.tick()
    assert len(receiver.got) == 2
    assert SECRET not in (sensor.cursor or "")
    assert SECRET.encode() not in sensor.store.get(layout.ALERTS_TOLD)


def test_without_a_receiver_who_waits_is_counted_all_the_same(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALERT_WEBHOOK", raising=False)
    assert sensor.tick().startswith("Nobody is to be told")
    (evaluation,) = sensor.evaluations
    assert evaluation.passed
    sensor.tick()
    assert sensor.evaluations == []
    kit = Kit(sensor.store)
    upload_id = kit.upload(name="Zoë Ödegård")
    kit.judge(upload_id, state="flagged", flags=("the face looks like Ana Aranda",))
    sensor.tick()
    (evaluation,) = sensor.evaluations
    assert not evaluation.passed
    assert evaluation.description == "For a person to look at: 1 flagged upload."
    assert str(evaluation.metadata["review"].value).endswith("/review")
    assert not any(name in str(evaluation) for name in ("Zoë", "Ana", upload_id))
    assert layout.ALERTS_TOLD not in list(sensor.store.list("alerts/"))


def test_a_store_that_is_away_is_asked_again(
    sensor: Sensor, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setattr(telling, "LOOKED_WITHIN_S", 1.0)
    assert "S3" in sensor.tick()
    assert receiver.got == []


@pytest.mark.parametrize("uploads", [1, 5])
def test_at_rest_a_tick_costs_the_same_however_much_there_is(
    sensor: Sensor, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch, uploads: int
) -> None:
    kit = Kit(sensor.store)
    kit.celebrities()
    for _ in range(uploads):
        kit.member()
    kit.release()
    kit.pairs()
    sensor.tick()
    asked: list[str] = []
    ask = BaseClient._make_api_call

    def counted(self: BaseClient, operation: str, values: Any) -> Any:
        asked.append(operation)
        return ask(self, operation, values)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    sensor.tick()
    assert Counter(asked) == {"ListObjectsV2": 12, "GetObject": 3, "HeadBucket": 2}


def failed(instance: dg.DagsterInstance, *assets: str, partition: str = "") -> dg.DagsterRun:
    tags = {PARTITION_NAME_TAG: partition} if partition else {}
    run = instance.add_run(
        dg.DagsterRun(
            job_name="__ASSET_JOB" if assets else "retention",
            run_id=str(uuid4()),
            tags=tags,
            status=dg.DagsterRunStatus.STARTED,
            asset_selection=frozenset(map(dg.AssetKey, assets)) or None,
        )
    )
    instance.report_run_failed(run)
    return run


def test_what_failed_matters_until_something_makes_up_for_it(
    instance: dg.DagsterInstance,
) -> None:
    assert failed_runs(instance) == ()
    run = failed(instance, keys.TWIN_MODEL)
    again = failed(instance, keys.TWIN_MODEL)
    (one,) = failed_runs(instance)
    assert (one.what, one.run, one.error) == (keys.TWIN_MODEL, again.run_id, "it was cut off")
    assert one.run != run.run_id
    instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(keys.TWIN_MODEL)))
    assert failed_runs(instance) == ()
    failed(instance)
    assert [one.what for one in failed_runs(instance)] == ["retention"]


def test_an_upload_that_fails_is_its_own_matter_and_none_once_it_is_erased(
    instance: dg.DagsterInstance,
) -> None:
    instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, ["01KB0000000000000000000000"])
    failed(instance, keys.USER_FACES, partition="01KB0000000000000000000000")
    (one,) = failed_runs(instance)
    assert one.what == "user_faces of 01KB0000000000000000000000"
    instance.delete_dynamic_partition(keys.UPLOADS_PARTITION, "01KB0000000000000000000000")
    assert failed_runs(instance) == ()


def test_a_trial_can_be_sent(
    receiver: HttpReceiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.send_trial()
    assert "trial" in texts(receiver)[0]
    receiver.status = 404
    with pytest.raises(SystemExit):
        commands.send_trial()
    monkeypatch.delenv("ALERT_WEBHOOK")
    with pytest.raises(ReceiverError, match="Set ALERT_WEBHOOK"):
        commands.send_trial()
