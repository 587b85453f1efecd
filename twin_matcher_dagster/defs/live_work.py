"""What Dagster's runs are about: which work is on its way, and how a run for it failed last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG, WILL_RETRY_TAG

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.reconciliation.facts import Work

# Dagster starts a run that was cut off again within seconds: it is on its way. One that it said it
# would start again, and has not by then, it has forgotten. Both times are Dagster's own.
_RETRIED_WITHIN = timedelta(minutes=2)
_MOST_RETRIES = 100

CUT_OFF = "it was cut off"
"""Of a run that ended without an error."""


def live_work(instance: dg.DagsterInstance) -> frozenset[Work]:
    """All that runs are queued for, or do, or will be started again for at once."""
    cut_off = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={WILL_RETRY_TAG: "true"},
        updated_after=datetime.now(timezone.utc) - _RETRIED_WITHIN,
    )
    runs = [
        *instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)),
        *(
            run
            for run in instance.get_runs(cut_off, limit=_MOST_RETRIES)
            if run.is_complete_and_waiting_to_retry
        ),
    ]
    return frozenset(work for run in runs for work in work_of(run))


def work_of(run: dg.DagsterRun) -> Iterator[Work]:
    """All that a run is for; nothing where it is a job without assets."""
    assets: set[str] = set(keys.JOB_ASSETS.get(run.job_name, ()))
    if run.asset_selection is not None:
        assets = {key.to_user_string() for key in run.asset_selection}
    partition = run.tags.get(PARTITION_NAME_TAG)
    for asset in assets:
        if asset != keys.USER_FACES:
            yield Work("erase" if asset == keys.ERASURES else "make", asset)
        elif partition:
            yield Work("judge", partition)
    if not assets:
        for check in run.asset_check_selection or ():
            yield Work("check", check.asset_key.to_user_string())


def last_failure(instance: dg.DagsterInstance, work: Work) -> str:
    """Which run for a piece of work failed last, and of what kind its error was; empty for none.

    No more is told: what an error says may name somebody, and is to be found in the run, which an
    erasure deletes.
    """
    tags = {PARTITION_NAME_TAG: work.subject} if work.kind == "judge" else {}
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags=tags)
    for run in instance.get_runs(wanted, limit=1 if tags else 20):
        if work in work_of(run):
            return f"run {run.run_id[:8]} failed: {failure_of(instance, run.run_id)[1]}"
    return ""


def failure_of(instance: dg.DagsterInstance, run_id: str) -> tuple[str, str]:
    """The step of a run that failed, empty where it was cut off; and the kind of its error."""
    events = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
    ).records
    event = events[0].event_log_entry.dagster_event if events else None
    error = event.step_failure_data.error if event else None
    while error and error.cause:  # Dagster wraps what an asset raised
        error = error.cause
    step = event.step_key or "" if event else ""
    return step, error.cls_name or "error" if error else CUT_OFF
