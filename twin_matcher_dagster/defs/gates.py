"""What blocking checks said of a content: the gate in front of what is made of it.

Dagster asks for a check of the newest *materialization*. Two runs at once, a run that was cut off
or an event that was lost leave that one without a check, for ever. Content has no such moment: a
check says which data version it looked at, and what it said holds while that is the newest one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.now import HoldsNow
from twin_matcher_dagster.reconciliation.facts import GateState
from twin_matcher_dagster.storage.manifest_log import Manifest

LOOKED_AT = "data version"
"""Under this name a check's metadata has the fingerprint of what it looked at."""
# A check that looked at something else meanwhile has looked at what is newest soon after.
_LAST_RESULTS = 20


def looked_at(manifest: Manifest[Any]) -> dict[str, str]:
    """What a check adds to its metadata."""
    return {LOOKED_AT: manifest.fingerprint}


def blocking_checks_of(asset: str) -> Sequence[dg.AssetCheckKey]:
    """The blocking checks of an asset of ours."""
    names = keys.BLOCKING_CHECKS.get(asset, ())
    return [dg.AssetCheckKey(dg.AssetKey(asset), name) for name in names]


def gate_state(
    instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey], version: str
) -> GateState:
    """What the newest results of some checks on one data version say."""
    unchecked, failed = [], []
    for key in checks:
        result = _result_on(instance, key, version)
        if result is None:
            unchecked.append(key.name)
        elif not result.passed:
            failed.append(f"{key.name} did not pass. {result.description or ''}".strip())
    return GateState(tuple(unchecked), tuple(failed))


def _result_on(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, version: str
) -> dg.AssetCheckEvaluation | None:
    records = instance.event_log_storage.get_asset_check_execution_history(
        key, _LAST_RESULTS, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
    )
    for record in records:
        found = record.evaluation
        seen = found.metadata.get(LOOKED_AT) if found else None
        if found and seen and seen.value == version:
            return found
    return None


class ChecksOfInputsPassed(HoldsNow):
    """Every blocking check of every input looked at its newest data version, and passed.

    An input that was not made yet, and one without blocking checks, holds up nobody here.
    """

    @property
    def description(self) -> str:
        """Shown beside the condition."""
        return "The blocking checks of all inputs passed on their newest content"

    def holds(self, context: dg.AutomationContext[dg.AssetKey]) -> bool:
        """Ask for each input."""
        graph, instance = context.asset_graph, context.asset_graph_view.instance
        return all(
            _gate_of(instance, graph, asset).is_open for asset in graph.get(context.key).parent_keys
        )


def _gate_of(instance: dg.DagsterInstance, graph: BaseAssetGraph, asset: dg.AssetKey) -> GateState:
    checks = [key for key in graph.asset_check_keys if key.asset_key == asset]
    checks = [key for key in checks if graph.get(key).blocking]
    event = instance.get_latest_materialization_event(asset) if checks else None
    if event is None or event.asset_materialization is None:
        return GateState()
    version = (event.asset_materialization.tags or {}).get(DATA_VERSION_TAG, "")
    return gate_state(instance, checks, version)
