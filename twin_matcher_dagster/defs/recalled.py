"""Materializations that nobody made just now: Dagster is told of them because it forgot them."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from twin_matcher_dagster.defs.now import HoldsNow

_RECALLED = "twin_matcher/recalled"


def recalled_materialization(
    asset: dg.AssetKey, version: str, partition: str | None = None
) -> dg.AssetMaterialization:
    """What is in the bucket, as Dagster knew it once.

    Args:
        asset: which.
        version: fingerprint of its newest content.
        partition: an upload's id.
    """
    return dg.AssetMaterialization(
        asset,
        description="It is in the bucket; Dagster did not know it any more.",
        partition=partition,
        tags={DATA_VERSION_TAG: version, _RECALLED: "true"},
    )


class WasRecalled(HoldsNow):
    """The newest materialization is one that Dagster was told of: nothing changed."""

    @property
    def description(self) -> str:
        """Shown beside the condition."""
        return "Dagster was told of it again; nothing changed"

    def holds(self, context: dg.AutomationContext[dg.AssetKey]) -> bool:
        """Ask for one asset."""
        instance = context.asset_graph_view.instance
        event = instance.get_latest_materialization_event(context.key)
        made = event.asset_materialization if event else None
        return made is not None and _RECALLED in (made.tags or {})
