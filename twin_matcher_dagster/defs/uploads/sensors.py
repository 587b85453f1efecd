"""New uploads in S3 become partitions and runs."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import EVERY_SECONDS
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.uploads.partitions import uploads_partitions
from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.uploads.manifest import new_uploads
from twin_matcher_dagster.uploads.submission import MAX_UPLOAD_AGE

MAX_PER_TICK = 50


@dg.sensor(
    target=dg.AssetSelection.assets(keys.USER_FACES),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=EVERY_SECONDS,
    description="Sees the manifests of new uploads and launches user_faces for each.",
)
def new_uploads_sensor(
    context: dg.SensorEvaluationContext, object_store: ObjectStoreResource
) -> dg.SensorResult | dg.SkipReason:
    """The cursor is the newest upload id seen; a listing starts an hour before it."""
    try:
        seen = new_uploads(object_store.open(), context.cursor, MAX_UPLOAD_AGE)
    except StorageError as error:
        return dg.SkipReason(str(error))
    known = set(context.instance.get_dynamic_partitions(keys.UPLOADS_PARTITION))
    new = [upload_id for upload_id in seen if upload_id not in known][:MAX_PER_TICK]
    if not new:
        return dg.SkipReason("no new upload")
    return dg.SensorResult(
        dynamic_partitions_requests=[uploads_partitions.build_add_request(new)],
        run_requests=[
            dg.RunRequest(run_key=upload_id, partition_key=upload_id) for upload_id in new
        ],
        cursor=max(new[-1], context.cursor or ""),
    )
