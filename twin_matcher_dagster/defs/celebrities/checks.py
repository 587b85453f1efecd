"""What must hold of the celebrities before anything is learned from them."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import head_of
from twin_matcher_dagster.identities.merging import ShardEntry, merge
from twin_matcher_dagster.identities.schema import read_shard
from twin_matcher_dagster.storage import layout

MIN_IDENTITIES = 2


@dg.asset_check(
    asset=keys.BALANCED_FACES,
    blocking=True,
    description="At least two identities, and every one of them has faces to train on.",
)
def enough_identities(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """Training needs classes to tell apart."""
    head = head_of(object_store.open(), layout.BALANCED, keys.BALANCED_FACES)
    people = merge([ShardEntry.from_dict(shard) for shard in head.body["shards"]], [])["identities"]
    without = [person["label"] for person in people if not person["faces"].get("train")]
    return dg.AssetCheckResult(
        passed=len(people) >= MIN_IDENTITIES and not without,
        metadata={"identities": len(people), "without training faces": str(without)},
    )


@dg.asset_check(
    asset=keys.BALANCED_FACES,
    blocking=True,
    description="No image is in two splits: a leak would make the accuracy a lie.",
)
def no_image_in_two_splits(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """Compare the images of all splits, byte by byte."""
    store = object_store.open()
    head = head_of(store, layout.BALANCED, keys.BALANCED_FACES)
    splits: dict[bytes, set[str]] = {}
    for shard in head.body["shards"]:
        for face in read_shard(store.get(shard["key"])):
            splits.setdefault(face.image, set()).add(face.split)
    leaked = sum(len(found) > 1 for found in splits.values())
    return dg.AssetCheckResult(
        passed=leaked == 0, metadata={"images": len(splits), "in two splits": leaked}
    )
