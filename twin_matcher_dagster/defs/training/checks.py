"""What must hold of a data set before it goes further."""

import hashlib

import dagster as dg

from twin_matcher_dagster.dataset.schema import read_shard
from twin_matcher_dagster.dataset.versions import Version, read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.gates import looked_at
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.storage.object_store import ObjectStore


@dg.asset_check(
    asset=keys.TWIN_DATASET,
    blocking=True,
    description="The shards that came in with this version are whole, and all of an upload is in "
    "one split.",
)
def users_split_by_upload(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """A clip's frames are nearly alike: some in training and some held out would be a leak."""
    store = object_store.open()
    version = read_version(store)
    came, _ = version.changes_since(_before(store, version))
    wrong = []
    for upload_id, member in came.items():
        data = store.get(member.shard.key)
        faces = list(read_shard(data))
        whole = hashlib.sha256(data).hexdigest() == member.shard.sha256
        if not whole or {(face.upload_id, face.split) for face in faces} != {(upload_id, "train")}:
            wrong.append(upload_id)
    return dg.AssetCheckResult(
        passed=not wrong,
        description=f"{len(wrong)} of {len(came)} uploads that came in are damaged, or in several "
        f"splits: {', '.join(wrong[:5])}. Materialize their partitions of user_faces again, then "
        "twin_dataset with `everything: true`."
        if wrong
        else None,
        metadata={
            "uploads that came in": len(came),
            "wrong": str(wrong),
            **looked_at(version.manifest),
        },
    )


def _before(store: ObjectStore, version: Version) -> Version | None:
    """The version before, if it is kept."""
    try:
        return read_version(store, version.number - 1) if version.number > 1 else None
    except ObjectMissingError:
        return None
