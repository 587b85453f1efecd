"""What happens without anyone clicking.

An accepted upload, or new celebrity faces, go on to a new release: every asset after them runs
when the data version of what it is made from has changed, the blocking checks passed on it, and
nothing that it is made from is being made right now. That is the quick way; what it misses is found
by the reconciliation (``defs/reconciliation``).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import dagster as dg

from twin_matcher_dagster.defs.gates import ChecksOfInputsPassed
from twin_matcher_dagster.defs.keys import (
    AHEAD,
    BALANCED_FACES,
    CELEBRITIES_JOB,
    FACE_INDEX,
    JOB_ASSETS,
    PRODUCTION_RELEASE,
    RELEASE_JOB,
    RETRAINING,
    TWIN_DATASET,
    TWIN_MODEL,
)
from twin_matcher_dagster.defs.recalled import WasRecalled

EVERY_SECONDS = 5

NIGHTLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=3), warn_window=timedelta(days=1, hours=6)
)
"""Of what is made, or confirmed, every night."""


def when_inputs_change(
    only: Collection[str] = (), busy: Collection[str] = (), nightly: str = ""
) -> dg.AutomationCondition:
    """Run when the content of an input changed, not merely when it was made again.

    Args:
        only: inputs whose change counts; by default all.
        busy: inputs whose being made is not waited for.
        nightly: cron, at which it runs all the same: what is in order is confirmed.

    ``eager()`` would train again on unchanged data, and would wait for ever for an upload whose
    processing failed; that upload is left out instead (twin_dataset reads accepted ones only).
    """
    condition = dg.AutomationCondition
    changed = condition.any_deps_match(
        # What changed in a run that makes this too is in it already.
        condition.data_version_changed() & ~condition.executed_with_root_target() & ~WasRecalled()
    )
    if only:
        changed = changed.allow(dg.AssetSelection.assets(*only))
    changed |= condition.newly_missing()
    if nightly:
        changed |= condition.cron_tick_passed(nightly)
    absent = condition.any_deps_match(condition.missing()).allow(
        dg.AssetSelection.assets(
            BALANCED_FACES, TWIN_DATASET, RETRAINING, TWIN_MODEL, FACE_INDEX, PRODUCTION_RELEASE
        )
    )
    in_progress = condition.any_deps_match(condition.in_progress())
    if busy:
        in_progress = in_progress.ignore(dg.AssetSelection.assets(*busy))
    return (
        # Since it was asked for, not since it was made: what changed while it was being made was
        # not in it.
        changed.since(condition.newly_requested() | condition.initial_evaluation())
        & ChecksOfInputsPassed()
        & ~absent
        & ~in_progress
        & ~condition.in_progress()
    ).with_label("when inputs change")


@dg.definitions
def automation() -> dg.Definitions:
    """The sensor that evaluates the conditions, and the job that brings celebrities in."""
    return dg.Definitions(
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "automation",
                target=dg.AssetSelection.all(),
                default_status=dg.DefaultSensorStatus.RUNNING,
                minimum_interval_seconds=EVERY_SECONDS,
                run_tags=AHEAD,
                use_user_code_server=True,  # it knows our own condition
                description="Carries accepted uploads and new celebrity faces on to a release.",
            )
        ],
        jobs=[
            dg.define_asset_job(
                CELEBRITIES_JOB,
                selection=dg.AssetSelection.assets(*JOB_ASSETS[CELEBRITIES_JOB]),
                description="Read the celebrity source again; the rest follows if it changed.",
            ),
            dg.define_asset_job(
                RELEASE_JOB,
                selection=dg.AssetSelection.assets(*JOB_ASSETS[RELEASE_JOB]),
                description="Merge, train, index and release again, whether or not data changed.",
            ),
        ],
    )
