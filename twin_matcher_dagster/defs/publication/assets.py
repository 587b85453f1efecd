"""published_dataset and published_model: the newest version and release, on the Hub."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.publication.configured import configured, when_set_up
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import refuse, retried
from twin_matcher_dagster.errors import HubRefusedError
from twin_matcher_dagster.publication.mlflow_runs import track_trainings
from twin_matcher_dagster.publication.publisher import Withheld, publish_dataset, publish_model
from twin_matcher_dagster.publication.repository import Published
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import leaderboards


@dg.asset(
    deps=[keys.TWIN_DATASET],
    group_name="publication",
    kinds={"huggingface"},
    code_version="1",
    automation_condition=when_set_up(),
    description="The data set on the Hub: celebrities, and users who agreed to publication. A new "
    "person is one shard and the card in one commit; each version has a tag.",
)
@retried()
def published_dataset(
    context: dg.AssetExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Send what is not there yet, take away what is not to be there any more."""
    wanted = settings.read()
    try:
        done = publish_dataset(
            object_store.open(),
            _set("HUB_DATASET", wanted.hub_dataset),
            context.run.run_id,
            private=wanted.hub_private,
            license=wanted.hub_license,
        )
    except HubRefusedError as error:
        raise refuse(error) from error
    return _result(done)


@dg.asset(
    deps=[keys.PRODUCTION_RELEASE],
    group_name="publication",
    kinds={"huggingface"},
    code_version="1",
    automation_condition=when_set_up(),
    description="The released model on the Hub, its classes named as people. It is withheld if it "
    "learned from anybody who did not agree to publication.",
)
@retried()
def published_model(
    context: dg.AssetExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Send the model's files, or say why not."""
    wanted = settings.read()
    try:
        done = publish_model(
            object_store.open(),
            _set("HUB_MODEL", wanted.hub_model),
            context.run.run_id,
            private=wanted.hub_private,
            license=wanted.hub_license,
        )
    except HubRefusedError as error:
        raise refuse(error) from error
    if isinstance(done, Withheld):
        return dg.MaterializeResult(
            data_version=dg.DataVersion(fingerprint("withheld", done.reason)),
            metadata={"state": "withheld", "reason": done.reason},
        )
    return _result(done)


@dg.asset(
    deps=[keys.LEADERBOARD],
    group_name="publication",
    kinds={"mlflow"},
    code_version="1",
    automation_condition=when_set_up(),
    description="Every training as a run of MLflow: plan, data in figures, environment, curve and "
    "what was measured. Nobody is named in it.",
)
@retried()
def tracked_trainings(
    object_store: ObjectStoreResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Send what MLflow has not."""
    store = object_store.open()
    sent = track_trainings(store, settings.read().mlflow_tracking_uri or "")
    board = leaderboards(store).existing_head()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(board.fingerprint),
        metadata={"trainings": len(board.record.trainings), "runs begun or changed": sent},
    )


@dg.definitions
def publication() -> dg.Definitions:
    """The assets that this installation is set up for."""
    tracked = [tracked_trainings] if Settings().mlflow_tracking_uri else []
    return dg.Definitions(assets=[*configured(published_dataset, published_model), *tracked])


def _set(name: str, repo_id: str | None) -> str:
    """A repository id that was there when the definitions were loaded."""
    if repo_id is None:
        raise refuse(HubRefusedError(f"{name} is not set any more: reload the definitions."))
    return repo_id


def _result(done: Published) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        data_version=dg.DataVersion(done.commit),
        metadata={
            "state": "published" if done.files else "was there already",
            "commit": dg.MetadataValue.url(done.url),
            "tag": done.tag,
            "files sent": done.files,
            "bytes sent": done.bytes,
        },
    )
