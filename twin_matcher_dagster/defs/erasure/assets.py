"""erasures: everybody who asked to be forgotten, and that they are."""

from datetime import datetime, timedelta, timezone

import dagster as dg

from twin_matcher_dagster.backup.erasing import note_erased
from twin_matcher_dagster.backup.place import open_place
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.erasure.run_history import forget_runs
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import retried
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import purge_models
from twin_matcher_dagster.errors import HubError
from twin_matcher_dagster.local.embedded_s3 import vacuum
from twin_matcher_dagster.publication.withdrawal import forget_upload
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import models
from twin_matcher_dagster.storage.tombstones import erased_uploads, get_tombstone

# What began before an erasure and did not know of it has ended by then.
SWEEP_FOR = timedelta(days=2)


@dg.asset(
    group_name="uploads",
    kinds={"s3"},
    code_version="1",
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=6), warn_window=timedelta(hours=2)
    ),
    description="Uploads that were erased: completes each erasure in the bucket and in Dagster's "
    "own history. The data set follows, and the model is trained again without them.",
)
@retried()
def erasures(
    context: dg.AssetExecutionContext, object_store: ObjectStoreResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Erase again what was erased of late: it finds nothing, or what was cut off or came late."""
    store = object_store.open()
    found = erased_uploads(store)
    known = set(context.instance.get_dynamic_partitions(keys.UPLOADS_PARTITION))
    since = _last_completed(context.instance)
    ours = settings.read()
    deleted = runs = 0
    handled: list[str] = []
    on_the_hub: list[str] = []
    for upload_id in found:
        stone = get_tombstone(store, upload_id)
        recent = stone and (since is None or since - stone.erased_at < SWEEP_FOR)
        if stone and (recent or upload_id in known):
            deleted += erase(store, upload_id, stone.retrain_by - stone.erased_at).deleted
            runs += forget_runs(context.instance, upload_id)
            handled.append(upload_id)
    deleted += purge_models(store)
    if ours.embedded and handled:
        vacuum(ours.twin_matcher_home)
    if ours.publishes:
        for upload_id in handled:
            try:
                on_the_hub += forget_upload(upload_id, ours.hub_dataset, ours.hub_model)
            except HubError as error:  # the others' turn comes, and the next hour
                context.log.error(f"not off the Hub yet: {error}")
                on_the_hub.append(f"not yet: {error}")
    # For a restore from a backup that is older. Last: while the place is away, this run fails and
    # is launched again.
    noted = note_erased(open_place(ours.backup_to), found) if ours.backup_to else 0
    waiting = {
        upload_id
        for model in models(store).entries()
        for upload_id in set(model.record.uploads) & set(found)
    }
    stones = [stone for one in waiting if (stone := get_tombstone(store, one))]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(fingerprint(*sorted(found))),
        metadata={
            "dagster/row_count": len(found),
            "objects deleted now": deleted,
            "runs forgotten now": runs,
            "noted beside the backups now": noted,
            "on the Hub": "; ".join(on_the_hub) or "nothing",
            "still in the weights of the released model": len(waiting),
            "to be retrained by": min(stone.retrain_by for stone in stones).isoformat()
            if stones
            else "nothing to do",
        },
    )


def _last_completed(instance: dg.DagsterInstance) -> datetime | None:
    """When erasures were completed last; None if never: then all of them are looked at."""
    event = instance.get_latest_materialization_event(dg.AssetKey(keys.ERASURES))
    return datetime.fromtimestamp(event.timestamp, timezone.utc) if event else None
