"""What is kept too long goes every night; every hour the deadlines of erasures are looked at."""

import dagster as dg

from twin_matcher_dagster.defs import keys


@dg.definitions
def erasing() -> dg.Definitions:
    """Every hour the deadlines of erasures are looked at; every night old versions go."""
    running = dg.DefaultScheduleStatus.RUNNING
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(
                keys.RETENTION_JOB,
                selection=dg.AssetSelection.assets(keys.EXPIRED),
                description="Delete what is kept too long; every night.",
            )
        ],
        schedules=[
            dg.ScheduleDefinition(
                job_name=keys.RETENTION_JOB,
                cron_schedule="23 3 * * *",
                default_status=running,
                description="Every night: what is kept too long goes, as KEEP_VERSIONS and "
                "KEEP_REJECTED_DAYS say.",
            ),
            dg.ScheduleDefinition(
                name="erasure_deadlines",
                target=dg.AssetSelection.assets(keys.ERASURES),
                cron_schedule="7 * * * *",
                default_status=running,
                description="Every hour: erasures are completed, and what is due by them is looked "
                "at.",
            ),
        ],
    )
