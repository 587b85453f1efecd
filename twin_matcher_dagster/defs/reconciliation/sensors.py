"""What is missing is launched, at every tick, for as long as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import EVERY_SECONDS
from twin_matcher_dagster.defs.gates import blocking_checks_of
from twin_matcher_dagster.defs.reconciliation.observation import MOST_AT_ONCE, Observation
from twin_matcher_dagster.defs.reconciliation.report import (
    evaluation_of,
    in_a_sentence,
    is_told_again,
    mark_of,
)
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.reconciliation.facts import Facts, Work
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import Missing, what_is_missing

LOOKING_SECONDS = 40.0
"""A look is given up by then, and the next one comes: Dagster gives a tick 60 seconds."""


@dg.sensor(
    target=dg.AssetSelection.assets(*keys.ASSETS, keys.ERASURES),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=EVERY_SECONDS,
    description="Launches user_faces for every upload without a verdict, and whatever else should "
    "be and is not: what failed, was cut off or was never begun is tried again, ever less often. "
    "What waits is on production_release: everything_is_where_it_should_be.",
)
def reconciliation(
    context: dg.SensorEvaluationContext, object_store: ObjectStoreResource
) -> dg.SensorResult | dg.SkipReason:
    """Compare what should be with what is. A store that is away is asked again at the next tick."""
    store = object_store.open_for(LOOKING_SECONDS)
    try:
        seen = Observation(store, context.instance, Ledger.read(context.cursor))
        recalled = seen.scan()
        facts = seen.facts()
        missing = what_is_missing(facts)
    except StorageError as error:
        return dg.SkipReason(str(error))
    due = _due(missing, seen)
    ledger = seen.ledger.only({one.work for one in missing}).launched(due, seen.now)
    evaluations: list[dg.AssetCheckEvaluation] = []
    if is_told_again(ledger, missing, seen.now):
        evaluations.append(evaluation_of(context.instance, missing, seen.now))
        ledger = replace(ledger, told=mark_of(missing), told_at=seen.now)
    uploads = [work.subject for work in due if work.kind == "judge"]
    new = {
        upload_id
        for upload_id in uploads
        if not context.instance.has_dynamic_partition(keys.UPLOADS_PARTITION, upload_id)
    }.union(recalled.uploads)
    return dg.SensorResult(
        run_requests=[_request(work, facts) for work in due],
        skip_reason=None if due else in_a_sentence(missing),
        cursor=ledger.text(),
        dynamic_partitions_requests=[
            dg.AddDynamicPartitionsRequest(keys.UPLOADS_PARTITION, sorted(new))
        ]
        if new
        else [],
        asset_events=[*recalled.materializations, *evaluations],
    )


def _due(missing: Sequence[Missing], seen: Observation) -> list[Work]:
    """What is launched now: few uploads at once, and all of the rest."""
    due = [one.work for one in missing if one.due and one.due <= seen.now]
    judging = sum(work.kind == "judge" for work in seen.live)
    uploads = [work for work in due if work.kind == "judge"][: max(0, MOST_AT_ONCE - judging)]
    return [work for work in due if work.kind != "judge" or work in uploads]


def _request(work: Work, facts: Facts) -> dg.RunRequest:
    """A run that does it. Without a run key: whether there is such a run is asked of the runs."""
    if work.kind == "judge":
        asset = dg.AssetKey(keys.USER_FACES)
        # Somebody decided, and looks whether it is carried out.
        tags = keys.AHEAD if facts.arrivals[work.subject].decided else {}
        return dg.RunRequest(asset_selection=[asset], partition_key=work.subject, tags=tags)
    if work.kind == "check":
        checks = blocking_checks_of(work.subject)
        return dg.RunRequest(asset_selection=[], asset_check_keys=checks, tags=keys.AHEAD)
    return dg.RunRequest(asset_selection=[dg.AssetKey(work.subject)], tags=keys.AHEAD)
