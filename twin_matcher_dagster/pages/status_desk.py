"""Answers whoever asks what became of an upload, from values to HTML."""

from __future__ import annotations

from dataclasses import dataclass

from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.pages.page import VISITOR_WAITS_S
from twin_matcher_dagster.pages.status_view import reunion_view, status_view
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.twins.agreement import withdraw_agreement
from twin_matcher_dagster.twins.reunion import TwinNews, reunion_of
from twin_matcher_dagster.uploads.ownership import prove_ownership
from twin_matcher_dagster.uploads.status import ENDED, NewestEntries, UploadState, status_of

SOON_S, LATER_S = 5.0, 60.0
"""How often an open page looks again: while something is to come, and once the upload is in."""


_WITH_NEWS = {UploadState.taken, UploadState.in_release}
"""Where it makes sense to say that nobody alike has joined yet."""


@dataclass(frozen=True)
class StatusShown:
    """What an open page shows.

    Attributes:
        upload_id: of whom; the code was right.
        status, twin: HTML.
        again_s: after how many seconds it looks again; None for never.
        agreed: whether there is an agreement to take back.
        is_there: whether there is something to erase.
    """

    upload_id: str
    status: str
    twin: str = ""
    again_s: float | None = None
    agreed: bool = False
    is_there: bool = False


class StatusDesk:
    """Answers whoever asks.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store, self._newest = store, NewestEntries()

    def asked(self, upload_id: str, code: str, words: Words) -> StatusShown:
        """For whoever has just typed these.

        Raises:
            TwinMatcherError: they do not belong together, or the store is away.
        """
        store = self._store.within(VISITOR_WAITS_S)
        return self.look(prove_ownership(store, upload_id or "", code or ""), words)

    def look(self, upload_id: str, words: Words) -> StatusShown:
        """For whoever has proven that it is theirs.

        Raises:
            StorageError: the store is away.
        """
        store = self._store.within(VISITOR_WAITS_S)
        status = status_of(store, upload_id, self._newest)
        reunion = reunion_of(store, upload_id, self._newest)
        is_in = status.state is UploadState.in_release
        return StatusShown(
            upload_id,
            status_view(status, words),
            reunion_view(reunion, words) if status.state in _WITH_NEWS else "",
            None if status.state in ENDED else LATER_S if is_in else SOON_S,
            reunion.news is not TwinNews.not_asked_for,
            status.state not in {UploadState.being_erased, UploadState.erased},
        )

    def tell_of_nobody(self, upload_id: str) -> None:
        """Take the agreement to a long-lost twin back.

        Raises:
            StorageError: the store is away.
        """
        withdraw_agreement(self._store.within(VISITOR_WAITS_S), upload_id)
