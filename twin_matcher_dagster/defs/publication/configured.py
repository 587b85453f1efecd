"""What of the publication this installation is set up for."""

from __future__ import annotations

from typing import TypeVar

import dagster as dg

from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.settings import Settings

_T = TypeVar("_T")


def configured(for_dataset: _T, for_model: _T) -> list[_T]:
    """Those of two definitions whose repository is set, where there is a token for the Hub.

    Read when the definitions are loaded; without HUB_DATASET and HUB_MODEL nothing is there.
    """
    settings = Settings()
    wanted = ((for_dataset, settings.hub_dataset), (for_model, settings.hub_model))
    found = [definition for definition, repo_id in wanted if repo_id]
    return found if found and _has_token() else []


def when_set_up() -> dg.AutomationCondition:
    """Run when inputs change, and once when the asset is new: what it publishes may be there."""
    condition = dg.AutomationCondition
    new = (
        condition.initial_evaluation()
        & condition.missing()
        & ~condition.any_deps_missing()
        & condition.all_deps_blocking_checks_passed()
    ).with_label("when it was set up")
    return when_inputs_change() | new


def _has_token() -> bool:
    """Whether `huggingface_hub` has a token, from HF_TOKEN or from a login."""
    from huggingface_hub import get_token

    return bool(get_token())
