"""What must hold of a data set and a model before they go further."""

import math

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.faces_io import faces_of
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import beyond_guessing, head_of
from twin_matcher_dagster.storage import layout


@dg.asset_check(
    asset=keys.TWIN_DATASET,
    blocking=True,
    description="Every user's faces come from one accepted upload and are in one split.",
)
def users_split_by_upload(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """A clip's frames are nearly alike: some in training and some held out would be a leak."""
    store = object_store.open()
    head = head_of(store, layout.DATASETS, keys.TWIN_DATASET)
    splits: dict[str, set[str]] = {}
    for face in faces_of(store, head.body):
        if face.kind == "user":
            splits.setdefault(face.upload_id, set()).add(face.split)
    torn = [upload_id for upload_id, found in splits.items() if len(found) > 1 or not upload_id]
    return dg.AssetCheckResult(
        passed=not torn, metadata={"uploads": len(splits), "in two splits": str(torn)}
    )


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
    people = head_of(store, layout.DATASETS, keys.TWIN_DATASET).body["identities"]
    counts = [person["faces"].get("validation", 0) for person in people]
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
