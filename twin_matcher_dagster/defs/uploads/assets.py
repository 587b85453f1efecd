"""user_faces: one upload, verified and judged again, because it came from outside."""

from dataclasses import dataclass

import dagster as dg
import numpy as np

from twin_matcher_dagster import reporting
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.faces_io import put_faces
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import RETRY, commit, materialized, progress_of
from twin_matcher_dagster.defs.uploads.partitions import uploads_partitions
from twin_matcher_dagster.errors import MediaError, UploadError
from twin_matcher_dagster.identities.merging import ShardEntry
from twin_matcher_dagster.identities.names import user_id
from twin_matcher_dagster.identities.schema import Face, fingerprint
from twin_matcher_dagster.intake import clean_name
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.uploads import get_faces, get_manifest


@dataclass(frozen=True)
class Judged:
    """The crops of an upload that show a face, and why it is refused, if it is."""

    name: str
    crops: list[bytes]
    pixels: list[np.ndarray]
    reasons: list[str]


@dg.asset(
    partitions_def=uploads_partitions,
    group_name="uploads",
    kinds={"opencv", "onnx", "s3"},
    owners=[keys.OWNER],
    code_version="1",
    retry_policy=RETRY,
    description="The faces of one upload: checksums verified, found again with RetinaFace, "
    "accepted or rejected with the reason.",
)
def user_faces(
    context: dg.AssetExecutionContext, object_store: ObjectStoreResource
) -> dg.MaterializeResult:
    """Trust nothing of an upload; keep what is a face."""
    store = object_store.open()
    upload_id = context.partition_key
    judged = _judge(store, upload_id, context)
    accepted = not judged.reasons
    shards = [_put(store, upload_id, judged).as_dict()] if accepted else []
    body = {
        "fingerprint": fingerprint(*judged.reasons, *(shard["sha256"] for shard in shards)),
        "upload_id": upload_id,
        "accepted": accepted,
        "reasons": judged.reasons,
        "shards": shards,
    }
    return materialized(
        commit(store, layout.user(upload_id), body),
        len(judged.crops) if accepted else 0,
        {
            "verdict": "accepted" if accepted else "rejected",
            "reasons": "; ".join(judged.reasons) or "none",
            "name": judged.name,
            "faces": dg.MetadataValue.md(
                reporting.face_grid(judged.pixels[:24]) if judged.pixels else "no face"
            ),
        },
    )


def _judge(store: ObjectStore, upload_id: str, context: dg.AssetExecutionContext) -> Judged:
    """Read an upload and find the face in each of its crops again."""
    from twin_matcher_dagster.faces.alignment import FACE_SIZE
    from twin_matcher_dagster.faces.clip import MIN_FACES
    from twin_matcher_dagster.faces.detection import detect_faces
    from twin_matcher_dagster.faces.images import read_image

    try:
        manifest = get_manifest(store, upload_id)
        name = clean_name(manifest.name)
        encoded = list(get_faces(store, manifest))
    except UploadError as error:
        return Judged("", [], [], [str(error)])
    progress = progress_of(context)
    crops, pixels = [], []
    for index, data in enumerate(encoded):
        progress(index / len(encoded))
        try:
            image = read_image(data)
        except MediaError:
            continue
        if image.shape[:2] == (FACE_SIZE, FACE_SIZE) and len(detect_faces(image)) == 1:
            crops.append(data)
            pixels.append(image)
    reasons = []
    if len(crops) < MIN_FACES:
        reasons.append(
            f"{len(crops)} of {len(encoded)} crops show one face, {MIN_FACES} are needed"
        )
    return Judged(name, crops, pixels, reasons)


def _put(store: ObjectStore, upload_id: str, judged: Judged) -> ShardEntry:
    """Write an accepted upload's shard. All of one clip goes to one split: never by frame."""
    who = user_id(upload_id)
    faces = [Face(crop, judged.name, who, "user", upload_id, "train") for crop in judged.crops]
    return put_faces(store, layout.user(upload_id), faces)
