"""What was published is read back."""

from collections.abc import Callable

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.publication.configured import configured
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.publication.publisher import check_dataset, check_model


@dg.asset_check(
    asset=keys.PUBLISHED_DATASET,
    description="The tag on the Hub has the files of its version, by SHA-256, and the card counts "
    "them right.",
)
def dataset_is_there(
    context: dg.AssetCheckExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.AssetCheckResult:
    """Read the list of files and the card; no image is fetched."""
    repo_id = settings.read().hub_dataset or ""
    return _result(
        context,
        keys.PUBLISHED_DATASET,
        lambda tag: check_dataset(object_store.open(), repo_id, tag),
    )


@dg.asset_check(
    asset=keys.PUBLISHED_MODEL,
    description="The tag on the Hub has the files of its release, by SHA-256.",
)
def model_is_there(
    context: dg.AssetCheckExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.AssetCheckResult:
    """Read the list of files."""
    repo_id = settings.read().hub_model or ""
    return _result(
        context,
        keys.PUBLISHED_MODEL,
        lambda tag: check_model(object_store.open(), repo_id, tag),
    )


def _result(
    context: dg.AssetCheckExecutionContext, asset: str, compare: Callable[[str], list[str]]
) -> dg.AssetCheckResult:
    """Compare what the asset's newest materialization says that it published."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey(asset))
    made = event.asset_materialization if event else None
    tag = made.metadata.get("tag") if made else None
    if tag is None:
        return dg.AssetCheckResult(passed=True, description="Nothing was published.")
    found = compare(str(tag.value))
    return dg.AssetCheckResult(
        passed=not found,
        description=f"{len(found)} things differ on the Hub, such as {found[0]}. Materialize "
        f"{asset} to send it again."
        if found
        else None,
        metadata={"tag": str(tag.value), "differs": "; ".join(found[:10]) or "nothing"},
    )


@dg.definitions
def checks() -> dg.Definitions:
    """The checks of the assets that are there."""
    return dg.Definitions(asset_checks=configured(dataset_is_there, model_is_there))
