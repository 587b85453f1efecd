"""What an operator sees of each upload."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.uploads.metadata import in_words
from twin_matcher_dagster.defs.uploads.partitions import uploads_partitions
from twin_matcher_dagster.review.waiting import REVIEW_PATH
from twin_matcher_dagster.storage.logs import verdicts


# Not blocking: one refused upload must not hold up everybody else's. The merge leaves it out.
@dg.asset_check(
    asset=keys.USER_FACES,
    partitions_def=uploads_partitions,
    description="The upload was accepted. One that is rejected, or flagged and not reviewed yet, "
    "is left out of the data set.",
)
def upload_accepted(
    context: dg.AssetCheckExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.AssetCheckResult:
    """Show the verdict of one upload."""
    verdict = verdicts(object_store.open(), context.partition_key).existing_head().record
    reasons = "; ".join([*verdict.reasons, *verdict.flags]) or "none"
    return dg.AssetCheckResult(
        passed=verdict.accepted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"It is {verdict.state}: {reasons}. To decide otherwise, open the "
        "review page, or materialize this partition with a `decision`."
        if not verdict.accepted
        else None,
        metadata={
            "verdict": verdict.state,
            "reasons": reasons,
            "review": in_words(verdict.review),
            "decide": dg.MetadataValue.url(
                f"{settings.read().dagster_address}{REVIEW_PATH}/uploads/{verdict.upload_id}"
            ),
        },
    )
