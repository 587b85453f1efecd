"""What became of an upload, for its owner: read from what is in the bucket, and from nothing else.

At most eight requests, whatever there is: the tombstone, the verdict (two), those who wait (one
page), and the newest release and pairs (two each, one as long as they are what they were); where
other pictures are asked for four, the tombstone, the verdict (two) and the decision. Of an
erased upload at most six: the tombstone, three folders, and the newest release.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import Generic, TypeVar

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import pairings, releases, verdicts
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import Record
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.storage.records.twins import TwinPairs
from twin_matcher_dagster.storage.records.uploads import Verdict
from twin_matcher_dagster.storage.tombstones import Tombstone, get_tombstone
from twin_matcher_dagster.uploads.decisions import PLEAS, UploadDecision, get_decision
from twin_matcher_dagster.uploads.not_taken import why_not_taken

_R = TypeVar("_R", bound=Record)

MOST_AHEAD = 1000
"""One page of a listing: of more who wait it is not said how many."""


class UploadState(str, Enum):
    """What became of an upload."""

    received = "received"
    being_checked = "being checked"
    waits_for_a_person = "waits for a person"
    not_taken = "not taken"
    record_again = "record again"
    taken = "taken"
    another_clip = "another clip"
    in_release = "in release"
    being_erased = "being erased"
    erased = "erased"


ENDED = frozenset({UploadState.not_taken, UploadState.record_again, UploadState.erased})
"""What nothing follows of by itself."""


@dataclass(frozen=True)
class UploadStatus:
    """What became of an upload.

    Attributes:
        state: in a word.
        ahead: how many uploads wait before it, where it is received; None if there are too many.
        why: why it is not taken, or why other pictures are asked for, in words for its owner.
        release: number of the newest release, where the upload is in it.
        since: number of the first release that it was seen in; None where that is not known.
        retrain_by: of an erased one, when no model that learnt from it is in use any more.
    """

    state: UploadState
    ahead: int | None = 0
    why: tuple[str, ...] = ()
    release: int | None = None
    since: int | None = None
    retrain_by: datetime | None = None


class KeptHead(Generic[_R]):
    """The newest entry of a log, read again only where it is another one, or was rewritten."""

    def __init__(self) -> None:
        self._kept: Manifest[_R] | None = None

    def of(self, log: ManifestLog[_R]) -> Manifest[_R] | None:
        """The newest entry of the log: one request, or two."""
        entry, kept = log.head_entry(), self._kept
        if entry is None:
            self._kept = None
        elif kept is None or (kept.number, kept.etag) != (entry.number, entry.etag):
            self._kept = log.read(entry.number)
        return self._kept


@dataclass(frozen=True)
class NewestEntries:
    """The newest release and the newest pairs, for as many questions as there are."""

    _release: KeptHead[Release | Withdrawn] = field(default_factory=KeptHead)
    _pairs: KeptHead[TwinPairs] = field(default_factory=KeptHead)

    def release(self, store: ObjectStore) -> Manifest[Release | Withdrawn] | None:
        """The newest release, or that it was withdrawn."""
        return self._release.of(releases(store))

    def pairs(self, store: ObjectStore) -> Manifest[TwinPairs] | None:
        """The newest pairs."""
        return self._pairs.of(pairings(store))


def status_of(store: ObjectStore, upload_id: str, newest: NewestEntries) -> UploadStatus:
    """What became of an upload.

    Args:
        store: the bucket.
        upload_id: which; whoever asks has proven that it is theirs.
        newest: kept from one question to the next.
    """
    # First: an erasure leaves the rest for a while.
    if stone := get_tombstone(store, upload_id):
        return _erased(store, upload_id, stone, newest)
    head = verdicts(store, upload_id).head()
    if head is None:
        return _waiting(store, upload_id)
    if head.record.accepted:
        return _accepted(store, head.record, newest)
    if head.record.state == "flagged":
        return UploadStatus(UploadState.waits_for_a_person)
    if head.record.review.decision == UploadDecision.ask_again.value:
        return UploadStatus(UploadState.record_again, why=_plea(store, upload_id))
    return UploadStatus(UploadState.not_taken, why=why_not_taken(head.record))


def _plea(store: ObjectStore, upload_id: str) -> tuple[str, ...]:
    """Why other pictures are asked for; nothing where another decision is on its way."""
    decided = get_decision(store, upload_id)
    return (PLEAS[decided.reason](),) if decided and decided.reason else ()


def _accepted(store: ObjectStore, verdict: Verdict, newest: NewestEntries) -> UploadStatus:
    upload_id, release = verdict.upload_id, newest.release(store)
    if release and release.record.names(upload_id):
        return UploadStatus(
            UploadState.in_release,
            release=release.number,
            since=_first_seen(newest.pairs(store), upload_id),
        )
    is_another = verdict.is_another_clip
    return UploadStatus(UploadState.another_clip if is_another else UploadState.taken)


def _waiting(store: ObjectStore, upload_id: str) -> UploadStatus:
    """Of an upload without a verdict: whose turn it is, by the ids, which are in order of time."""
    prefix = f"{layout.ARRIVALS}/"
    waiting = [key.removeprefix(prefix) for key in islice(store.list(prefix), MOST_AHEAD)]
    before = sum(one < upload_id for one in waiting)
    if before:
        return UploadStatus(UploadState.received, None if before == MOST_AHEAD else before)
    return UploadStatus(UploadState.being_checked)


def _first_seen(pairs: Manifest[TwinPairs] | None, upload_id: str) -> int | None:
    visitor = pairs.record.visitors.get(upload_id) if pairs else None
    return visitor.since if visitor else None


def _erased(
    store: ObjectStore, upload_id: str, stone: Tombstone, newest: NewestEntries
) -> UploadStatus:
    traces = (
        layout.upload_manifest(upload_id),
        layout.face_folder(upload_id),
        f"{layout.user(upload_id)}/",
    )
    release = newest.release(store)
    shown = release is not None and release.record.names(upload_id)
    left = shown or any(_there_is(store, prefix) for prefix in traces)
    state = UploadState.being_erased if left else UploadState.erased
    return UploadStatus(state, retrain_by=stone.retrain_by)


def _there_is(store: ObjectStore, prefix: str) -> bool:
    return next(iter(store.list(prefix, page_size=1)), None) is not None
