"""user_faces: one upload, verified and judged again, because it came from outside."""

import dagster as dg
from dagster._core.storage.tags import RETRY_NUMBER_TAG
from pydantic import Field

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.dataset.versions import note_verdict
from twin_matcher_dagster.defs.columns import FACE_COLUMNS
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import materialized, progress_of, refuse, retried
from twin_matcher_dagster.defs.uploads.metadata import verdict_metadata
from twin_matcher_dagster.defs.uploads.partitions import uploads_partitions
from twin_matcher_dagster.erasure.eraser import erase_again
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.review.deciding import decide
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.arrivals import announce, settle
from twin_matcher_dagster.uploads.decisions import (
    LONGEST_NOTE,
    AskedFor,
    UploadDecision,
    get_decision,
)
from twin_matcher_dagster.uploads.examination import examine
from twin_matcher_dagster.uploads.flagged import note_flag
from twin_matcher_dagster.uploads.judging import judge_upload

LAUNCHPAD = Principal("launchpad", Role.ADMIN)
"""Who decides by the configuration of a run. Who launched it is in the audit log before that."""


class ReviewConfig(dg.Config):
    """A person's decision, given in the launchpad; it stays until another one is given."""

    decision: UploadDecision = Field(
        UploadDecision.none,
        description="accept takes a flagged upload in; reject keeps any upload out; ask_again "
        "keeps it out and asks its owner for other pictures. It stays until another one is given.",
    )
    reason: AskedFor | None = Field(None, description="Of ask_again; its owner reads it.")
    note: str = Field("", max_length=LONGEST_NOTE, description="Why; shown with the verdict.")


@dg.asset(
    partitions_def=uploads_partitions,
    group_name="uploads",
    kinds={"opencv", "onnx", "s3"},
    metadata=FACE_COLUMNS,
    code_version="8",
    description="The faces of one upload: checksums verified, found again with RetinaFace, judged, "
    "compared with everyone known; accepted, rejected with the reason, or flagged for review. The "
    "same face under the same name is another clip of that person, and held out. To "
    "decide about one, use the review page, `twin-matcher uploads`, or materialize with a "
    "decision.",
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
    _refuse_erased(store, upload_id)
    # Until the verdict is noted for the data set: whatever cuts this off, it is gone on with.
    announce(store, upload_id)
    _decide(context, config, store)
    recogniser = settings.read().recogniser
    examined = examine(store, upload_id, recogniser, progress_of(context))
    try:
        judged = judge_upload(store, upload_id, examined, recogniser)
    except UploadError as error:
        _refuse_erased(store, upload_id)
        raise refuse(error) from error
    verdict = judged.verdict
    note_flag(store, verdict.record)
    note_verdict(store, upload_id, verdict.number)
    settle(store, upload_id)
    _refuse_erased(store, upload_id)
    shard = verdict.record.shard
    return materialized(
        store,
        verdict,
        shard.rows if shard else 0,
        verdict_metadata(judged.known, examined, judged.resemblance, verdict.record),
    )


def _decide(context: dg.AssetExecutionContext, config: ReviewConfig, store: ObjectStore) -> None:
    """Write down what a person decided in the launchpad, as the review page does."""
    if config.decision is UploadDecision.none and not config.note:
        return
    upload_id = context.partition_key
    # A retry is no second word: somebody else may have decided since the first try.
    again = context.retry_number or context.run.tags.get(RETRY_NUMBER_TAG)
    if again and get_decision(store, upload_id):
        return
    try:
        decide(store, LAUNCHPAD, upload_id, config.decision, reason=config.reason, note=config.note)
    except UploadError as error:
        raise refuse(error) from error


def _refuse_erased(store: ObjectStore, upload_id: str) -> None:
    """See that an upload was not erased; what was made of it by a run that did not know it goes."""
    if get_tombstone(store, upload_id):
        erase_again(store, [upload_id])
        raise refuse(UploadError("This upload was erased. Delete its partition."))
