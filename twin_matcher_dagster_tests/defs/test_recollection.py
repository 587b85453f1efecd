"""Dagster's storage was lost, or is another one: what the bucket holds is known again."""

from __future__ import annotations

import dagster as dg
import pytest

from twin_matcher_dagster.dataset.versions import update_dataset
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.recalled import recalled_materialization
from twin_matcher_dagster.storage.logs import (
    balanced_versions,
    models,
    releases,
    verdicts,
)
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.defs.test_automation import CHAIN, Installation
from twin_matcher_dagster_tests.defs.test_reconciliation import Clock, Daemon
from twin_matcher_dagster_tests.kit import Kit


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    """A release with two people, a third who is flagged, and nothing to do."""
    made = Kit(store)
    made.celebrities()
    made.member()
    made.member()
    made.judge(made.upload(), state="flagged", noted=False)
    update_dataset(store)
    made.release(made.train())
    return made


def versions_of(instance: dg.DagsterInstance, asset: str) -> list[str | None]:
    """Data versions of all materializations, the newest first."""
    found = instance.fetch_materializations(dg.AssetKey(asset), limit=9).records
    return [
        (one.asset_materialization.tags or {}).get("dagster/data_version")
        for one in found
        if one.asset_materialization
    ]


def test_partitions_and_materializations_are_told_once(kit: Kit) -> None:
    daemon = Daemon(kit.store, Clock(kit.store))
    daemon.tick()
    instance = daemon.instance
    uploads = set(instance.get_dynamic_partitions(keys.UPLOADS_PARTITION))
    # The one that is flagged, too: its partition is where it is reviewed.
    assert len(uploads) == 3
    assert instance.get_materialized_partitions(dg.AssetKey(keys.USER_FACES)) == uploads
    for asset, head in (
        (keys.BALANCED_FACES, balanced_versions(kit.store).existing_head()),
        (keys.TWIN_MODEL, models(kit.store).existing_head()),
        (keys.PRODUCTION_RELEASE, releases(kit.store).existing_head()),
    ):
        assert versions_of(instance, asset) == [head.fingerprint]
    (one, *_) = uploads
    event = instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(keys.USER_FACES), asset_partitions=[one]), limit=1
    ).records[0]
    assert event.asset_materialization
    tags = event.asset_materialization.tags or {}
    assert tags["dagster/data_version"] == verdicts(kit.store, one).existing_head().fingerprint
    # Told once: not at the next look, nor where the cursor is lost.
    daemon.cursor = None
    daemon.tick()
    assert len(versions_of(instance, keys.TWIN_MODEL)) == 1
    assert daemon.said.dynamic_partitions_requests == []


def test_what_dagster_is_told_of_starts_nothing_and_what_comes_after_it_does() -> None:
    automation = Installation(dg.DagsterInstance.ephemeral())
    assert automation.tick() == set()
    for asset in (keys.RAW_FACES, keys.BALANCED_FACES, *CHAIN):
        told = recalled_materialization(dg.AssetKey(asset), "1")
        automation.instance.report_runless_asset_event(told)
        automation.check(asset, "1")
    assert [automation.tick(), automation.tick()] == [set(), set()]
    automation.make(keys.BALANCED_FACES, "2")
    assert automation.tick() == {keys.TWIN_DATASET}
