"""user_faces: one upload, verified and judged again, because it came from outside."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from twin_matcher_dagster.dataset.faces_io import put_faces
from twin_matcher_dagster.dataset.identity import user_id
from twin_matcher_dagster.dataset.schema import Face, fingerprint
from twin_matcher_dagster.dataset.shards import ShardEntry
from twin_matcher_dagster.dataset.versions import note_verdict
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs import plots as reporting
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import commit, materialized, progress_of, refuse, retried
from twin_matcher_dagster.defs.uploads.partitions import uploads_partitions
from twin_matcher_dagster.erasure.eraser import sweep
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.lock import exclusive
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.examination import SHOWN, Examined, Likeness, compare, examine
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster.uploads.resemblance import encode_template

ACCEPTED, FLAGGED, REJECTED = "accepted", "flagged", "rejected"


class Decision(str, Enum):
    """What a person decided about a flagged upload."""

    none = "none"
    accept = "accept"
    reject = "reject"


class ReviewConfig(dg.Config):
    """A person's decision, given in the launchpad; it stays until another one is given."""

    decision: Decision = Field(
        Decision.none,
        description="accept takes a flagged upload in; reject keeps any upload out.",
    )
    note: str = Field("", max_length=500, description="Why; shown with the verdict.")


@dg.asset(
    partitions_def=uploads_partitions,
    group_name="uploads",
    kinds={"opencv", "onnx", "s3"},
    owners=[keys.OWNER],
    code_version="4",
    description="The faces of one upload: checksums verified, found again with RetinaFace, judged, "
    "compared with everyone known; accepted, rejected with the reason, or flagged for review. To "
    'review, materialize with the configuration `decision: "accept"` or `"reject"`.',
)
@retried()
def user_faces(
    context: dg.AssetExecutionContext,
    config: ReviewConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Trust nothing of an upload; keep what is a face."""
    store = object_store.open()
    upload_id = context.partition_key
    if get_tombstone(store, upload_id):
        raise refuse(UploadError("This upload was erased. Delete its partition."))
    recogniser = settings.read().recogniser
    examined = examine(store, upload_id, recogniser, progress_of(context))
    # One at a time: of two uploads with one face the second sees the verdict on the first.
    with exclusive(store, layout.JUDGING_LOCK) as lock:
        head = ManifestLog(store, layout.log(layout.user(upload_id))).head()
        before = head.body if head else None
        known = KnownPeople(store, _others(context, upload_id, before), lock.renew)
        likeness = compare(examined, known)
        lock.renew()
        review = _review(config, before or {})
        verdict = commit(
            store,
            layout.user(upload_id),
            _verdict(store, upload_id, examined, likeness, review, recogniser),
        )
    note_verdict(store, upload_id, verdict.number)
    if get_tombstone(store, upload_id):  # erased while this ran
        sweep(store, [upload_id])
        raise refuse(UploadError("This upload was erased while it was judged."))
    return materialized(
        verdict,
        sum(shard["rows"] for shard in verdict.body["shards"]),
        _metadata(known, examined, likeness, verdict.body),
    )


def _others(
    context: dg.AssetExecutionContext, upload_id: str, before: Mapping[str, Any] | None
) -> list[str]:
    """The uploads that one answers to: all of them, when it is judged for the first time.

    Judged anew it answers to earlier ones only (ids are in order of time): whoever hands somebody's
    face in later must not put the first one under suspicion. And to those it was flagged for: a
    flag is taken away by a person alone.
    """
    flagged = before.get("resembles", ()) if before else ()
    # An earlier version did not note for whom it flagged.
    anew = before is None or (before["state"] == FLAGGED and "resembles" not in before)
    return [
        other
        for other in context.instance.get_dynamic_partitions(keys.UPLOADS_PARTITION)
        if other != upload_id and (anew or other < upload_id or user_id(other) in flagged)
    ]


def _verdict(
    store: ObjectStore,
    upload_id: str,
    examined: Examined,
    likeness: Likeness,
    review: Mapping[str, str],
    recogniser: str,
) -> dict[str, Any]:
    """What is kept of a judgement."""
    flags = list(likeness.flagged.values())
    state = _state(examined.reasons, flags, review)
    shards = [_put(store, upload_id, examined).as_dict()] if state == ACCEPTED else []
    return {
        "fingerprint": fingerprint(
            state,
            recogniser,
            review["decision"],
            review["note"],
            examined.publication,
            *examined.reasons,
            *flags,
            *(shard["sha256"] for shard in shards),
        ),
        "upload_id": upload_id,
        "state": state,
        "accepted": state == ACCEPTED,
        "publication": examined.publication,
        "reasons": list(examined.reasons),
        "flags": flags,
        "resembles": list(likeness.flagged),
        "hints": list(examined.hints),
        "review": review,
        # Kept of those who are in, or may come in: to know the face again.
        "template": encode_template(examined.found.template)
        if examined.found and state != REJECTED
        else None,
        "shards": shards,
    }


def _review(config: ReviewConfig, before: Mapping[str, Any]) -> dict[str, str]:
    """The decision given now, or else the one that was given before."""
    if config.decision is not Decision.none or config.note:
        return {"decision": config.decision.value, "note": config.note}
    return dict(before.get("review", {"decision": Decision.none.value, "note": ""}))


def _state(reasons: Sequence[str], flags: Sequence[str], review: Mapping[str, str]) -> str:
    """The verdict: a person's word counts, but nobody can make a face of what is none."""
    if reasons or review["decision"] == Decision.reject.value:
        return REJECTED
    if flags and review["decision"] != Decision.accept.value:
        return FLAGGED
    return ACCEPTED


def _put(store: ObjectStore, upload_id: str, examined: Examined) -> ShardEntry:
    """Write an accepted upload's shard. All of one clip goes to one split: never by frame."""
    who = user_id(upload_id)
    faces = [
        Face(
            image=crop,
            label=examined.name,
            identity_id=who,
            kind="user",
            upload_id=upload_id,
            split="train",
            yaw=measures.pose.yaw,
            pitch=measures.pose.pitch,
            roll=measures.pose.roll,
            quality=measures.sharpness,
        )
        for crop, measures in examined.crops
    ]
    return put_faces(store, layout.user(upload_id), faces)


def _metadata(
    known: KnownPeople, examined: Examined, likeness: Likeness, verdict: Mapping[str, Any]
) -> dict[str, Any]:
    """What an operator sees: the verdict, why, and the pictures."""
    found, review = examined.found, verdict["review"]
    grid = reporting.face_grid
    shown: dict[str, Any] = {
        "verdict": verdict["state"],
        "reasons": "; ".join(examined.reasons) or "none",
        "flags": "; ".join(verdict["flags"]) or "none",
        "hints": "; ".join(examined.hints) or "none",
        "review": f"{review['decision']} {review['note']}".strip(),
        "name": examined.name,
        "faces": dg.MetadataValue.md(grid(examined.shown[:SHOWN]) if examined.shown else "none"),
    }
    if found:
        shown["left out"] = dg.MetadataValue.json(found.left_out())
        shown["turned to"] = f"{found.coverage.left:.0f} and {found.coverage.right:.0f} degrees"
        if found.refused:
            shown["faces left out"] = dg.MetadataValue.md(grid(found.refused[:SHOWN]))
    nearest = likeness.nearest
    if nearest:
        other = known.shown(nearest.identity_id)
        shown["most like"] = f"{other} ({nearest.identity_id}), {nearest.similarity:.2f}"
        others = known.celebrity_faces(nearest.identity_id) if likeness.flagged else []
        if others:
            shown["the other"] = dg.MetadataValue.md(grid(others))
    return shown
