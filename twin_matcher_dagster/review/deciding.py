"""To decide of an upload: one way, for the review page, the command, and Dagster's launchpad."""

from __future__ import annotations

from twin_matcher_dagster.access.audit import AuditLog
from twin_matcher_dagster.access.people import Principal
from twin_matcher_dagster.errors import (
    DecidedAlreadyError,
    ObjectChangedError,
    ObjectExistsError,
    UploadError,
)
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.arrivals import announce, is_committed
from twin_matcher_dagster.uploads.decisions import (
    LONGEST_NOTE,
    AskedFor,
    Decided,
    UploadDecision,
    put_decision,
    read_decision,
)

NOT_DONE = "not-done"
"""In the audit log behind a decision that another one was before."""


def decide(
    store: ObjectStore,
    who: Principal,
    upload_id: str,
    decision: UploadDecision,
    *,
    reason: AskedFor | None = None,
    note: str = "",
    seen: str | None = None,
) -> Decided:
    """Decide of an upload. The reconciliation has it judged again, with this.

    Args:
        store: the bucket.
        who: decides; whoever calls has seen to it that they may.
        upload_id: of which.
        decision: what; ``none`` takes an earlier decision back.
        reason: why other pictures are asked for, for the owner to read.
        note: why, for other reviewers.
        seen: what the decision stands on, see :func:`seen_of`; None: whatever it is.

    Raises:
        DecidedAlreadyError: somebody else decided, or it was judged again, since it was seen.
        UploadError: there is no such upload, or it cannot be decided so.
        StorageError: the store does not answer. Then nothing was decided, or it is in the bucket.
    """
    if get_tombstone(store, upload_id) or not is_committed(store, upload_id):
        raise UploadError(f"There is no upload {upload_id}. Check the id; it may be erased.")
    _refuse_unfit(store, upload_id, decision, reason, note)
    before, etag = read_decision(store, upload_id)
    if seen is not None and seen != seen_of(store, upload_id):
        raise _other(before)
    log = AuditLog(store)
    log.add(who, _word(decision), [upload_id])
    decided = Decided(
        decision,
        who.name,
        store.now(),
        note,
        reason if decision is UploadDecision.ask_again else None,
    )
    # Before, so that a decision which is there is heard of; after, because a run that ended in
    # between took the note for its own.
    announce(store, upload_id)
    try:
        put_decision(store, upload_id, decided, etag)
    except (ObjectExistsError, ObjectChangedError):
        log.add(who, NOT_DONE, [upload_id])
        raise _other(read_decision(store, upload_id)[0]) from None
    announce(store, upload_id)
    if get_tombstone(store, upload_id):
        for key in (layout.decision(upload_id), layout.arrival(upload_id)):
            store.delete(key)
        raise UploadError(f"The upload {upload_id} was erased at this moment.")
    return decided


def seen_of(store: ObjectStore, upload_id: str) -> str:
    """What a decision stands on: the newest verdict and the newest decision, as one word."""
    number = verdicts(store, upload_id).head_number()
    etag = read_decision(store, upload_id)[1].strip('"')
    return f"{number}.{etag or 'none'}"


def _refuse_unfit(
    store: ObjectStore,
    upload_id: str,
    decision: UploadDecision,
    reason: AskedFor | None,
    note: str,
) -> None:
    """Raise an ``UploadError`` where a decision makes no sense."""
    if len(note) > LONGEST_NOTE:
        raise UploadError(f"The note has {len(note)} characters. Write {LONGEST_NOTE} at most.")
    if decision is UploadDecision.ask_again and reason is None:
        raise UploadError("Say why other pictures are asked for: choose one of the reasons.")
    head = verdicts(store, upload_id).head()
    if decision is UploadDecision.accept and head and head.record.reasons:
        raise UploadError(
            f"It failed its checks and cannot be accepted: {'; '.join(head.record.reasons)}. "
            "Reject it, or ask for other pictures."
        )


def _word(decision: UploadDecision) -> str:
    return "take-back" if decision is UploadDecision.none else decision.value


def _other(before: Decided | None) -> DecidedAlreadyError:
    if before is None:
        return DecidedAlreadyError("It was judged again meanwhile. Look at it anew, and decide.")
    return DecidedAlreadyError(
        f"{before.by} decided meanwhile ({before.decision.value.replace('_', ' ')}, "
        f"{before.at:%H:%M:%S} UTC). Look at it anew, and decide."
    )
