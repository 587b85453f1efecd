"""What must hold of a data set and a model before they go further."""

import hashlib
import math

import dagster as dg

from twin_matcher_dagster.dataset import Version, read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import beyond_guessing, head_of
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.identities.schema import read_shard
from twin_matcher_dagster.storage import layout
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
        passed=not wrong, metadata={"uploads that came in": len(came), "wrong": str(wrong)}
    )


def _before(store: ObjectStore, version: Version) -> Version | None:
    """The version before, if it is kept."""
    try:
        return read_version(store, version.number - 1) if version.number > 1 else None
    except ObjectMissingError:
        return None


@dg.asset_check(
    asset=keys.TWIN_MODEL,
    blocking=True,
    description="Training converged: the loss is a number and fell, and the validation accuracy "
    "is beyond what guessing gives.",
)
def model_learned(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """A model that did not learn must not be indexed or released."""
    store = object_store.open()
    body = head_of(store, layout.MODELS, keys.TWIN_MODEL).body
    people = read_version(store, body["dataset"]).identities
    counts = [person.faces.get("validation", 0) for person in people]
    faces = sum(counts)
    needed = beyond_guessing(max(counts) / faces, faces) if faces else 0.0
    first, last = body["curve"][0], body["curve"][-1]
    learned = not faces or last["validation_accuracy"] > needed
    fell = math.isfinite(last["train_loss"]) and last["train_loss"] <= first["train_loss"]
    return dg.AssetCheckResult(
        passed=bool(learned and fell),
        metadata={
            "validation accuracy": last["validation_accuracy"],
            "needed": needed,
            "first training loss": first["train_loss"],
            "last training loss": last["train_loss"],
        },
    )
