"""expired: what was kept too long is gone, of the bucket and of Dagster's own history."""

from datetime import datetime, timedelta, timezone

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import NIGHTLY
from twin_matcher_dagster.defs.erasure.run_history import forget_old_runs, forget_runs
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import collect_garbage, rejected_before

HISTORY = timedelta(days=30)
"""Dagster's own runs, events and logs are kept so long; ticks go as dagster.yaml says."""


@dg.asset(
    name=keys.EXPIRED,
    group_name="erasure",
    kinds={"s3"},
    code_version="1",
    freshness_policy=NIGHTLY,
    description="What was kept too long is gone: old versions and what only they named, uploads "
    "that were rejected or never finished, Dagster's own runs. Every night.",
)
def expired(
    context: dg.AssetExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Keep what the settings say."""
    store, ours, now = object_store.open(), settings.read(), datetime.now(timezone.utc)
    begun = now - timedelta(days=ours.keep_rejected_days)
    rejected = rejected_before(store, begun)
    for upload_id in rejected:
        erase(store, upload_id, ours.retrain_within)
        forget_runs(context.instance, upload_id)
    gone = collect_garbage(store, ours.keep_versions)
    runs = forget_old_runs(context.instance, now - HISTORY)
    return dg.MaterializeResult(
        metadata={
            "rejected uploads erased": len(rejected),
            "other objects deleted": gone,
            "runs forgotten": runs,
        }
    )
