"""The verdict on an upload: accepted, flagged for a person, or rejected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twin_matcher_dagster.dataset.schema import Face
from twin_matcher_dagster.dataset.shards import put_faces
from twin_matcher_dagster.faces.templates import encode_template
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import ShardEntry, person_of, user_id
from twin_matcher_dagster.storage.records.uploads import Reviewed, State, Verdict
from twin_matcher_dagster.uploads.decisions import Decided, UploadDecision
from twin_matcher_dagster.uploads.examination import Examination
from twin_matcher_dagster.uploads.resemblance import ResemblanceReport

_KEEPING_OUT = {UploadDecision.reject.value, UploadDecision.ask_again.value}


def verdict_on(
    store: ObjectStore,
    upload_id: str,
    examined: Examination,
    resemblance: ResemblanceReport,
    review: Reviewed,
    recogniser: str,
    before: Verdict | None = None,
) -> Verdict:
    """What is kept of a judgement; the faces of an accepted upload are written as a shard.

    Args:
        store: the bucket.
        upload_id: which.
        examined, resemblance: what was found.
        review: what a person decided.
        recogniser: name of the one that compared.
        before: the verdict that there was.
    """
    person = _person(upload_id, resemblance, before)
    flags = (*examined.flags, *resemblance.flagged.values())
    state = _state(examined.reasons, flags, review)
    shard = _put(store, upload_id, examined) if state == "accepted" else None
    found = examined.found
    return Verdict(
        fingerprint=fingerprint(
            state,
            recogniser,
            review.decision,
            review.note,
            examined.publication,
            *examined.reasons,
            *flags,
            *([shard.sha256] if shard else []),
            *([person] if person != person_of(upload_id) else []),
        ),
        upload_id=upload_id,
        person=person,
        state=state,
        publication=examined.publication,
        reasons=examined.reasons,
        flags=flags,
        resembles=tuple(resemblance.flagged),
        hints=(*examined.hints, *resemblance.hints),
        review=review,
        # Kept of those who are in, or may come in: to know the face again.
        template=encode_template(found.template) if found and state != "rejected" else None,
        shard=shard,
    )


def others_to_compare(uploads: Iterable[str], upload_id: str, before: Verdict | None) -> list[str]:
    """The uploads that one answers to: all of them, when it is judged for the first time.

    Judged anew it answers to earlier ones only (ids are in order of time): whoever hands somebody's
    face in later must not put the first one under suspicion. And to those it was flagged for: a
    flag is taken away by a person alone.

    Args:
        uploads: ids of all uploads.
        upload_id: the one that is judged.
        before: the verdict that there was on it.
    """
    return [
        other
        for other in uploads
        if other != upload_id
        and (before is None or other < upload_id or user_id(other) in before.resembles)
    ]


def review_now(decided: Decided | None, before: Verdict | None) -> Reviewed:
    """The decision that there is; of an earlier version's the one that the verdict has."""
    if decided:
        return decided.reviewed
    return before.review if before else Reviewed()


def _person(upload_id: str, resemblance: ResemblanceReport, before: Verdict | None) -> str:
    """Whose it is: found when it is accepted first, and kept.

    So whoever hands somebody's face in later cannot make the first one another clip of theirs.
    """
    if before and (before.accepted or before.is_another_clip):
        return before.person
    return resemblance.person or person_of(upload_id)


def _state(reasons: Sequence[str], flags: Sequence[str], review: Reviewed) -> State:
    """The verdict: a person's word counts, but nobody can make a face of what is none."""
    if reasons or review.decision in _KEEPING_OUT:
        return "rejected"
    if flags and review.decision != UploadDecision.accept.value:
        return "flagged"
    return "accepted"


def _put(store: ObjectStore, upload_id: str, examined: Examination) -> ShardEntry:
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
