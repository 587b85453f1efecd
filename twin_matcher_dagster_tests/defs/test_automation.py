"""What runs by itself, and what does not, on Dagster's own evaluation of the conditions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from dagster import AutomationCondition, DefaultSensorStatus
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.gates import LOOKED_AT
from twin_matcher_dagster.reconciliation.missing import INPUTS
from twin_matcher_dagster_tests.graph import definitions

CHAIN = (
    keys.TWIN_DATASET,
    keys.RETRAINING,
    keys.TWIN_MODEL,
    keys.FACE_INDEX,
    keys.PRODUCTION_RELEASE,
    keys.TWIN_PAIRS,
)
AT_ONCE = {keys.RETRAINING, keys.FACE_INDEX}


class Installation:
    """A Dagster instance in which assets are reported as made, and ticks are evaluated."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._definitions = definitions()
        self._cursor = None
        self.now = datetime.now(timezone.utc).replace(hour=12)
        """Of the evaluations: what is due at night is not, unless a test says so."""

    def copy(self) -> Installation:
        """Another one, of which so far the same was reported and asked for."""
        made = Installation(dg.DagsterInstance.ephemeral())
        made._cursor, made.now = self._cursor, self.now
        for name in ("event_log_storage", "run_storage"):
            here, there = (getattr(one.instance, name)._held_conn for one in (self, made))
            here.connection.driver_connection.backup(there.connection.driver_connection)
        return made

    def make(self, asset: str, version: str, partition: str | None = None, ok: bool = True) -> None:
        """Report that an asset was made with this content and that its checks said ``ok``."""
        event = dg.AssetMaterialization(
            asset, partition=partition, tags={DATA_VERSION_TAG: version}
        )
        self.instance.report_runless_asset_event(event)
        self.check(asset, version, ok=ok)

    def check(self, asset: str, version: str, *, ok: bool = True) -> None:
        """Report what the blocking checks of an asset said of a content."""
        for check in keys.BLOCKING_CHECKS.get(asset, ()):
            self.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(asset),
                    check_name=check,
                    passed=ok,
                    blocking=True,
                    metadata={LOOKED_AT: version},
                )
            )

    def tick(self) -> set[str]:
        """The assets of the graph that one evaluation of all conditions asks for."""
        return self.evaluate() & set(keys.ASSETS)

    def evaluate(self) -> set[str]:
        """All assets that one evaluation of all conditions asks for."""
        self.now += timedelta(seconds=5)
        result = dg.evaluate_automation_conditions(
            self._definitions, self.instance, cursor=self._cursor, evaluation_time=self.now
        )
        self._cursor = result.cursor
        assets = (*keys.ASSETS, keys.LEADERBOARD)
        return {one for one in assets if result.get_num_requested(dg.AssetKey(one))}


@pytest.fixture(scope="module")
def all_made() -> Installation:
    """Everything made once, nothing to do; to be copied."""
    made = Installation(dg.DagsterInstance.ephemeral())
    made.tick()
    for asset in (keys.RAW_FACES, keys.BALANCED_FACES, *CHAIN):
        made.make(asset, "1")
    made.tick()
    assert made.tick() == set()
    return made


@pytest.fixture
def installation(all_made: Installation) -> Installation:
    """Everything made once, nothing to do."""
    return all_made.copy()


def test_nothing_is_asked_for_before_there_are_celebrities() -> None:
    installation = Installation(dg.DagsterInstance.ephemeral())
    assert installation.tick() == set()
    installation.instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, ["a"])
    installation.make(keys.USER_FACES, "1", "a")
    assert installation.tick() == set()


def test_a_first_run_goes_all_the_way() -> None:
    installation = Installation(dg.DagsterInstance.ephemeral())
    installation.tick()
    installation.make(keys.RAW_FACES, "1")
    assert installation.tick() == {keys.BALANCED_FACES}
    installation.make(keys.BALANCED_FACES, "1")
    for asset in CHAIN:
        assert installation.tick() == {asset}
        installation.make(asset, "1")
    assert installation.tick() == set()


def test_an_erasure_goes_on_to_the_data_set_once(installation: Installation) -> None:
    installation.make(keys.ERASURES, "1")
    assert installation.tick() == {keys.TWIN_DATASET}
    installation.make(keys.TWIN_DATASET, "2")
    assert installation.tick() == AT_ONCE
    # The hourly look at the same erasures does nothing.
    installation.make(keys.ERASURES, "1")
    assert keys.TWIN_DATASET not in installation.tick()


def test_an_accepted_upload_is_released_without_a_training(installation: Installation) -> None:
    for upload in ("a", "b"):
        installation.instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload])
        assert installation.tick() == set()
        installation.make(keys.USER_FACES, "1", upload)
        assert installation.tick() == {keys.TWIN_DATASET}
        installation.make(keys.TWIN_DATASET, f"with {upload}")
        assert installation.tick() == AT_ONCE
        installation.make(keys.RETRAINING, "1")  # nothing is due
        installation.make(keys.FACE_INDEX, f"with {upload}")
        assert installation.tick() == {keys.PRODUCTION_RELEASE}
        installation.make(keys.PRODUCTION_RELEASE, f"with {upload}")
        assert installation.tick() == {keys.TWIN_PAIRS}
        installation.make(keys.TWIN_PAIRS, f"with {upload}")
        assert installation.tick() == set()


def test_a_training_that_is_due_goes_on_to_a_release(installation: Installation) -> None:
    installation.make(keys.TWIN_DATASET, "2")
    assert installation.tick() == AT_ONCE
    installation.make(keys.FACE_INDEX, "imprinted")
    installation.make(keys.RETRAINING, "due")
    assert installation.tick() == {keys.TWIN_MODEL, keys.PRODUCTION_RELEASE}
    installation.make(keys.PRODUCTION_RELEASE, "imprinted")
    assert installation.tick() == {keys.TWIN_PAIRS}
    installation.make(keys.TWIN_MODEL, "2")
    assert installation.tick() == {keys.FACE_INDEX}
    installation.make(keys.FACE_INDEX, "learnt")
    assert installation.tick() == {keys.PRODUCTION_RELEASE}


def test_an_upload_that_never_gets_ready_blocks_nobody(installation: Installation) -> None:
    """With eager() one failed partition would hold up everybody else's."""
    installation.instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, ["broken", "good"])
    installation.make(keys.USER_FACES, "1", "good")
    assert installation.tick() == {keys.TWIN_DATASET}


def test_a_rejected_upload_trains_nothing(installation: Installation) -> None:
    installation.instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, ["a"])
    installation.make(keys.USER_FACES, "rejected", "a")
    assert installation.tick() == {keys.TWIN_DATASET}
    installation.make(keys.TWIN_DATASET, "1")  # the same content as before
    assert installation.tick() == set()


@pytest.mark.parametrize("asset", [keys.RAW_FACES, keys.BALANCED_FACES, *CHAIN])
def test_the_same_content_made_again_starts_nothing(installation: Installation, asset: str) -> None:
    installation.make(asset, "1")
    assert installation.tick() == set()


def test_what_one_run_made_together_is_not_made_again() -> None:
    content = ["1"]

    @dg.asset
    def source() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(content[-1]))

    @dg.asset(deps=[source], automation_condition=when_inputs_change())
    def made_of_it() -> None: ...

    both = dg.Definitions([source, made_of_it])
    instance = dg.DagsterInstance.ephemeral()
    result = dg.evaluate_automation_conditions(both, instance)

    def asked_for_after(*assets: dg.AssetsDefinition) -> int:
        nonlocal result
        both.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[asset.key for asset in assets]
        )
        result = dg.evaluate_automation_conditions(both, instance, cursor=result.cursor)
        return result.total_requested

    assert asked_for_after(source, made_of_it) == 0
    content.append("2")
    assert asked_for_after(source, made_of_it) == 0
    content.append("3")
    assert asked_for_after(source) == 1


@pytest.mark.parametrize("asset", list(keys.BLOCKING_CHECKS))
def test_a_failed_blocking_check_stops_the_flow(installation: Installation, asset: str) -> None:
    installation.make(asset, "2", ok=False)
    assert installation.tick() == set()
    installation.make(asset, "3", ok=True)
    assert len(installation.tick()) == (2 if asset == keys.TWIN_DATASET else 1)


def test_sensors_are_on_by_themselves() -> None:
    sensors = {sensor.name: sensor for sensor in definitions().sensors or []}
    assert set(sensors) == {"alerts", "automation", "reconciliation"}
    for sensor in sensors.values():
        assert sensor.default_status is DefaultSensorStatus.RUNNING


def test_conditions_are_where_they_belong() -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions().resolve_all_asset_specs()}
    # The source is read when somebody asks for it, an upload when the sensor sees it.
    by_hand = {asset for asset in specs if specs[asset].automation_condition is None}
    assert by_hand == {keys.RAW_FACES, keys.USER_FACES, keys.ERASURES, keys.EXPIRED}
    assert isinstance(specs[keys.TWIN_MODEL].automation_condition, AutomationCondition)


def test_the_blocking_checks_are_those_that_the_gates_ask_for() -> None:
    graph = definitions().resolve_asset_graph()
    found: dict[str, set[str]] = {}
    for key in graph.asset_check_keys:
        if graph.get(key).blocking:
            found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert found == {asset: set(names) for asset, names in keys.BLOCKING_CHECKS.items()}


def test_the_reconciliation_knows_what_each_asset_is_made_of() -> None:
    graph = definitions().resolve_asset_graph()
    for asset, inputs in INPUTS.items():
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}
        # An erasure changes what the policy of trainings says, through the bucket alone.
        assert parents == set(inputs) - ({keys.ERASURES} if asset == keys.RETRAINING else set())
    assert set(INPUTS) == set(keys.ASSETS) - {keys.RAW_FACES, keys.USER_FACES}


def test_the_leaderboard_waits_for_the_index_of_a_new_model(installation: Installation) -> None:
    """And no upload brings it, however many indexes are made."""
    installation.make(keys.FACE_INDEX, "of model 1")
    assert keys.LEADERBOARD in installation.evaluate()
    for version in ("with a", "with b"):
        installation.make(keys.FACE_INDEX, version)
        assert keys.LEADERBOARD not in installation.evaluate()
    installation.make(keys.TWIN_MODEL, "2")
    assert keys.LEADERBOARD not in installation.evaluate()
    assert keys.LEADERBOARD not in installation.evaluate()
    installation.make(keys.FACE_INDEX, "of model 2")
    assert keys.LEADERBOARD in installation.evaluate()
    installation.make(keys.LEADERBOARD, "2")
    installation.make(keys.FACE_INDEX, "with c")
    assert keys.LEADERBOARD not in installation.evaluate()


def test_every_night_the_release_is_confirmed_if_its_index_passed(
    installation: Installation,
) -> None:
    night = timedelta(days=1)
    installation.now += night
    assert keys.PRODUCTION_RELEASE in installation.tick()
    installation.make(keys.PRODUCTION_RELEASE, "1")
    assert keys.TWIN_PAIRS not in installation.tick()  # nothing changed
    installation.make(keys.FACE_INDEX, "2", ok=False)
    installation.now += night
    assert keys.PRODUCTION_RELEASE not in installation.tick()
