"""Dagster's history is bounded, and what there is now stays known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from twin_matcher_dagster.defs.erasure.run_history import forget_old_runs

PARTS = dg.DynamicPartitionsDefinition(name="parts")


@dg.asset
def whole() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"made": 1})


@dg.asset(partitions_def=PARTS)
def divided() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"made": 1})


@dg.asset_check(asset=whole)
def checked() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(home)) as made:
        yield made


def make(
    instance: dg.DagsterInstance,
    *assets: dg.AssetsDefinition,
    partition: str | None = None,
    only: dg.AssetSelection | None = None,
) -> str:
    done = dg.materialize(assets, instance=instance, partition_key=partition, selection=only)
    assert done.success
    return done.run_id


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_old_runs_go_and_what_is_newest_stays(instance: dg.DagsterInstance, home: Path) -> None:
    instance.add_dynamic_partitions("parts", ["a", "b"])
    old = make(instance, whole, checked)
    the_check = make(instance, whole, checked, only=dg.AssetSelection.checks(checked))
    older_a = make(instance, divided, partition="a")
    kept = {
        the_check,
        make(instance, whole),
        make(instance, divided, partition="a"),
        make(instance, divided, partition="b"),
    }
    now = datetime.now(timezone.utc)
    assert forget_old_runs(instance, now - timedelta(days=1)) == 0
    assert run_ids(instance) == kept | {old, older_a}

    assert forget_old_runs(instance, now + timedelta(days=1)) == 2
    assert run_ids(instance) == kept
    assert [path for path in home.rglob("*") if old in path.name] == []
    assert instance.get_latest_materialization_event(dg.AssetKey("whole"))
    materialized = instance.get_materialized_partitions(dg.AssetKey("divided"))
    assert materialized == {"a", "b"}
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([checked.check_key])
    assert latest[checked.check_key].run_id == the_check
    assert forget_old_runs(instance, now + timedelta(days=1)) == 0


def test_a_run_that_goes_on_stays(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(dg.define_asset_job("both").resolve(asset_graph=graph()))
    assert forget_old_runs(instance, datetime.now(timezone.utc) + timedelta(days=1)) == 0
    assert run_ids(instance) == {run.run_id}


def graph() -> dg.AssetGraph:
    return dg.Definitions(assets=[whole]).resolve_asset_graph()
