"""user_faces: one upload, verified and judged again, because it came from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
from pydantic import Field

from twin_matcher_dagster import reporting
from twin_matcher_dagster.dataset import note_verdict
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import RETRY, commit, materialized, progress_of, refuse
from twin_matcher_dagster.defs.uploads.known_people import KnownPeople
from twin_matcher_dagster.defs.uploads.partitions import uploads_partitions
from twin_matcher_dagster.erasure import sweep
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.faces_io import put_faces
from twin_matcher_dagster.identities.known import (
    Resemblance,
    encode_template,
    resembling,
)
from twin_matcher_dagster.identities.merging import ShardEntry
from twin_matcher_dagster.identities.names import tidy, user_id
from twin_matcher_dagster.identities.schema import Face, fingerprint
from twin_matcher_dagster.intake import clean_name
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.storage.uploads import UploadManifest, get_faces, get_manifest

if TYPE_CHECKING:
    from twin_matcher_dagster.faces.quality import Measures
    from twin_matcher_dagster.faces.recheck import Recheck

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


@dataclass(frozen=True)
class Judged:
    """What is to be said of an upload before anybody reviewed it.

    Attributes:
        name: display name.
        crops: PNG bytes of the good crops, and what was measured on each.
        found: the crops, judged again; None if the upload cannot be read.
        reasons: why it is refused.
        flags: what a person has to look into before it is taken in.
        hints: what a person may want to look into.
        resembles: the known person it resembles most, and how to call them.
        publication: whether its person agreed to being published.
    """

    name: str
    crops: tuple[tuple[bytes, "Measures"], ...]
    found: "Recheck | None"
    reasons: tuple[str, ...]
    flags: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    resembles: tuple[Resemblance, str] | None = None
    publication: bool = False


@dg.asset(
    partitions_def=uploads_partitions,
    group_name="uploads",
    kinds={"opencv", "onnx", "s3"},
    owners=[keys.OWNER],
    code_version="3",
    retry_policy=RETRY,
    description="The faces of one upload: checksums verified, found again with RetinaFace, judged, "
    "compared with everyone known; accepted, rejected with the reason, or flagged for review. To "
    'review, materialize with the configuration `decision: "accept"` or `"reject"`.',
)
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
    log = ManifestLog(store, layout.log(layout.user(upload_id)))
    before = log.head()
    review = _review(config, before.body if before else {})
    others = [
        other
        for other in context.instance.get_dynamic_partitions(keys.UPLOADS_PARTITION)
        # Judged anew, an upload answers to earlier ones only (ids are in order of time): whoever
        # hands somebody's face in later must not put the first one under suspicion.
        if other < upload_id or (before is None and other != upload_id)
    ]
    known = KnownPeople(store, others)
    recogniser = settings.read().recogniser
    judged = _judge(store, upload_id, known, recogniser, context)
    state = _state(judged, review)
    shards = [_put(store, upload_id, judged).as_dict()] if state == ACCEPTED else []
    body = {
        "fingerprint": fingerprint(
            state,
            recogniser,
            review["decision"],
            review["note"],
            judged.publication,
            *judged.reasons,
            *judged.flags,
            *(shard["sha256"] for shard in shards),
        ),
        "upload_id": upload_id,
        "state": state,
        "accepted": state == ACCEPTED,
        "publication": judged.publication,
        "reasons": list(judged.reasons),
        "flags": list(judged.flags),
        "hints": list(judged.hints),
        "review": review,
        # Kept of those who are in, or may come in: to know the face again.
        "template": encode_template(judged.found.template)
        if judged.found and state != REJECTED
        else None,
        "shards": shards,
    }
    verdict = commit(store, layout.user(upload_id), body)
    note_verdict(store, upload_id, verdict.number)
    if get_tombstone(store, upload_id):  # erased while this ran
        sweep(store, [upload_id])
        raise refuse(UploadError("This upload was erased while it was judged."))
    return materialized(
        verdict,
        len(judged.crops) if shards else 0,
        _metadata(known, judged, state, review),
    )


def _review(config: ReviewConfig, before: Mapping[str, Any]) -> dict[str, str]:
    """The decision given now, or else the one that was given before."""
    if config.decision is not Decision.none or config.note:
        return {"decision": config.decision.value, "note": config.note}
    return dict(before.get("review", {"decision": Decision.none.value, "note": ""}))


def _state(judged: Judged, review: Mapping[str, str]) -> str:
    """The verdict: a person's word counts, but nobody can make a face of what is none."""
    if judged.reasons or review["decision"] == Decision.reject.value:
        return REJECTED
    if judged.flags and review["decision"] != Decision.accept.value:
        return FLAGGED
    return ACCEPTED


def _judge(
    store: ObjectStore,
    upload_id: str,
    known: KnownPeople,
    recogniser: str,
    context: dg.AssetExecutionContext,
) -> Judged:
    """Read an upload, find the face in each of its crops again, compare it with everyone."""
    from twin_matcher_dagster.faces.clip import MAX_FACES, MIN_FACES
    from twin_matcher_dagster.faces.recheck import recheck
    from twin_matcher_dagster.faces.recogniser import load_recogniser

    try:
        manifest = get_manifest(store, upload_id)
        name = clean_name(manifest.name)
        encoded = list(get_faces(store, manifest))
    except UploadError as error:
        return Judged("", (), None, (str(error),))
    found = recheck(encoded, load_recogniser(recogniser), progress_of(context))
    # No more than the page gives: spread over what came.
    chosen = np.linspace(0, len(found.kept) - 1, min(len(found.kept), MAX_FACES)).round()
    good = tuple((encoded[found.kept[i]], found.measures[i]) for i in chosen.astype(int))
    if len(good) < MIN_FACES:
        left_out = ", ".join(f"{count} {reason}" for reason, count in found.left_out().items())
        reason = f"{len(good)} of {len(encoded)} crops can be used, {MIN_FACES} are needed"
        return Judged(name, good, found, (f"{reason} ({left_out})" if left_out else reason,))
    alike = resembling(found.template, known.templates())
    flagged = [one for one in alike if _is_another(known, name, one)]
    nearest = (flagged or alike or [None])[0]
    return Judged(
        name,
        good,
        found,
        (),
        tuple(_flag(one, known.shown(one.identity_id)) for one in flagged[:3]),
        _hints(manifest, found),
        (nearest, known.shown(nearest.identity_id)) if nearest else None,
        manifest.publication,
    )


def _is_another(known: KnownPeople, name: str, nearest: Resemblance) -> bool:
    """The same face under another name is for a person to decide, and never merged.

    So is that of a celebrity under any name, and of an upload that is not accepted itself: nobody
    gets past a review by sending the same again.
    """
    if not nearest.same or not known.is_accepted(nearest.identity_id):
        return nearest.same
    return tidy(known.name(nearest.identity_id)).casefold() != tidy(name).casefold()


def _flag(nearest: Resemblance, other: str) -> str:
    return (
        f"the face looks like {other} ({nearest.identity_id}): similarity "
        f"{nearest.similarity:.2f}, limit {nearest.threshold:.2f}"
    )


def _hints(manifest: UploadManifest, found: "Recheck") -> tuple[str, ...]:
    """What the page noticed, which is not trusted, and what is noticed here."""
    hints = [f"noticed by the upload page: {_printable(hint)}" for hint in manifest.hints[:5]]
    if found.flat:
        hints.append("the faces move like a flat picture: it may be a photo held to the camera")
    return (*hints, *found.coverage.missing)


def _printable(text: str) -> str:
    """At most 200 characters of a text from outside, in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:200]).split())


def _put(store: ObjectStore, upload_id: str, judged: Judged) -> ShardEntry:
    """Write an accepted upload's shard. All of one clip goes to one split: never by frame."""
    who = user_id(upload_id)
    faces = [
        Face(
            image=crop,
            label=judged.name,
            identity_id=who,
            kind="user",
            upload_id=upload_id,
            split="train",
            yaw=measures.pose.yaw,
            pitch=measures.pose.pitch,
            roll=measures.pose.roll,
            quality=measures.sharpness,
        )
        for crop, measures in judged.crops
    ]
    return put_faces(store, layout.user(upload_id), faces)


def _metadata(
    known: KnownPeople, judged: Judged, state: str, review: Mapping[str, str]
) -> dict[str, Any]:
    """What an operator sees: the verdict, why, and the pictures."""
    found = judged.found
    grid = reporting.face_grid
    shown: dict[str, Any] = {
        "verdict": state,
        "reasons": "; ".join(judged.reasons) or "none",
        "flags": "; ".join(judged.flags) or "none",
        "hints": "; ".join(judged.hints) or "none",
        "review": f"{review['decision']} {review['note']}".strip(),
        "name": judged.name,
        "faces": dg.MetadataValue.md(
            grid(found.pixels[:24]) if found and found.pixels else "no face"
        ),
    }
    if found:
        shown["left out"] = dg.MetadataValue.json(found.left_out())
        shown["turned to"] = f"{found.coverage.left:.0f} and {found.coverage.right:.0f} degrees"
        if found.refused:
            shown["faces left out"] = dg.MetadataValue.md(grid(found.refused[:24]))
    if judged.resembles:
        nearest, other = judged.resembles
        shown["most like"] = f"{other} ({nearest.identity_id}), {nearest.similarity:.2f}"
        others = known.celebrity_faces(nearest.identity_id) if judged.flags else []
        if others:
            shown["the other"] = dg.MetadataValue.md(grid(others))
    return shown
