"""Which runs failed that nothing has mended since: the newest run for something is the one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.live_work import failure_of, work_of
from twin_matcher_dagster.reconciliation.facts import FailedRun, Work

FAILED_WITHIN = timedelta(days=3)
"""Of what failed before and was not tried since, nobody needs to hear any more."""
_MOST = 30


def failed_runs(instance: dg.DagsterInstance) -> tuple[FailedRun, ...]:
    """The newest run for each piece of work, where it failed and nothing made up for it since.

    Where nothing failed lately this is one question to Dagster's storage.
    """
    wanted = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        updated_after=datetime.now(timezone.utc) - FAILED_WITHIN,
    )
    found: dict[str, FailedRun] = {}
    for record in instance.get_run_records(wanted, limit=_MOST):
        step, error = failure_of(instance, record.dagster_run.run_id)
        for what in _not_done(instance, record, step):
            ended = datetime.fromtimestamp(record.end_time or 0, timezone.utc)
            one = FailedRun(what, record.dagster_run.run_id, error, ended)
            found.setdefault(what, one)  # the newest comes first
    return tuple(found.values())


def _not_done(instance: dg.DagsterInstance, record: dg.RunRecord, step: str) -> Iterator[str]:
    """What a run should have done and nobody did since; of several assets what failed."""
    run, since = record.dagster_run, record.start_time or record.create_timestamp.timestamp()
    works = sorted(work_of(run))
    failed = [work for work in works if work.kind == "make" and work.subject == step]
    for work in failed or works:
        if not _was_done(instance, run, work, since):
            yield keys.USER_FACES + f" of {work.subject}" if work.kind == "judge" else work.subject
    if not works and not _succeeded_since(instance, dg.RunsFilter(job_name=run.job_name), since):
        yield run.job_name


def _was_done(instance: dg.DagsterInstance, run: dg.DagsterRun, work: Work, since: float) -> bool:
    if work.kind == "judge":
        if not instance.has_dynamic_partition(keys.UPLOADS_PARTITION, work.subject):
            return True  # erased
        tags = {PARTITION_NAME_TAG: work.subject}
        return _succeeded_since(instance, dg.RunsFilter(tags=tags), since)
    if work.kind == "check":
        return _succeeded_since(instance, dg.RunsFilter(job_name=run.job_name), since)
    made = instance.get_latest_materialization_event(dg.AssetKey(work.subject))
    return made is not None and made.timestamp > since


def _succeeded_since(instance: dg.DagsterInstance, wanted: dg.RunsFilter, since: float) -> bool:
    ended = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS],
        job_name=wanted.job_name,
        tags=wanted.tags,
        created_after=datetime.fromtimestamp(since, timezone.utc),
    )
    return bool(instance.get_run_ids(ended, limit=1))
