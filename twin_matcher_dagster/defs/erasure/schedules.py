"""What is kept too long goes every night; every hour the deadlines of erasures are looked at."""

from datetime import datetime, timedelta, timezone

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.erasure.run_history import forget_old_runs, forget_runs
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import collect_garbage, rejected_before

# Dagster's own runs, events and logs; ticks go as dagster.yaml says.
HISTORY = timedelta(days=30)


@dg.op(description="Delete old versions, what only they named, uploads rejected or unfinished.")
def collect(
    context: dg.OpExecutionContext, object_store: ObjectStoreResource, settings: SettingsResource
) -> None:
    """Keep what the settings say."""
    store, ours, now = object_store.open(), settings.read(), datetime.now(timezone.utc)
    begun = now - timedelta(days=ours.keep_rejected_days)
    rejected = rejected_before(store, begun)
    for upload_id in rejected:
        erase(store, upload_id, ours.retrain_within)
        forget_runs(context.instance, upload_id)
    gone = collect_garbage(store, ours.keep_versions)
    runs = forget_old_runs(context.instance, now - HISTORY)
    context.log.info(
        f"{len(rejected)} rejected uploads erased, {gone} other objects and {runs} runs deleted"
    )


@dg.job(name=keys.RETENTION_JOB, description="Delete what is kept too long; every night.")
def retention() -> None:
    """One step."""
    collect()


@dg.definitions
def erasing() -> dg.Definitions:
    """Every hour the deadlines of erasures are looked at; every night old versions go."""
    running = dg.DefaultScheduleStatus.RUNNING
    return dg.Definitions(
        jobs=[retention],
        schedules=[
            dg.ScheduleDefinition(
                job=retention, cron_schedule="23 3 * * *", default_status=running
            ),
            dg.ScheduleDefinition(
                name="erasure_deadlines",
                target=dg.AssetSelection.assets(keys.ERASURES),
                cron_schedule="7 * * * *",
                default_status=running,
            ),
        ],
    )
