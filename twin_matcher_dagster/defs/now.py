"""Automation conditions that ask how things are, and not what happened since the last tick."""

from __future__ import annotations

from abc import abstractmethod

import dagster as dg


class HoldsNow(dg.AutomationCondition[dg.AssetKey]):
    """A condition that holds for all of an asset, or for nothing of it."""

    @abstractmethod
    def holds(self, context: dg.AutomationContext[dg.AssetKey]) -> bool:
        """Whether it does."""

    @property
    def requires_cursor(self) -> bool:
        """It depends on nothing but what is so now."""
        return False

    def evaluate(
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        """Ask for one asset, where it matters: a tick goes through all assets every few seconds."""
        subset = context.candidate_subset
        if not subset.is_empty and not self.holds(context):
            subset = context.get_empty_subset()
        return dg.AutomationResult(context, subset)
