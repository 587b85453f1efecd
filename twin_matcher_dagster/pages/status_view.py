"""What the status page shows, as HTML: what became of an upload, and the long-lost twin."""

from __future__ import annotations

from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.release.answers import percent_of
from twin_matcher_dagster.twins.reunion import Reunion, TwinNews
from twin_matcher_dagster.uploads.status import ENDED, UploadState, UploadStatus
from twin_matcher_dagster.uploads.status_words import TITLES, status_in_words

_TONES = {
    UploadState.in_release: "good",
    UploadState.erased: "good",
    UploadState.not_taken: "bad",
    UploadState.record_again: "wait",
    UploadState.waits_for_a_person: "wait",
}


def status_view(status: UploadStatus, words: Words) -> str:
    """What became of an upload."""
    return words.render(
        "status.html",
        state=status.state.value,
        tone=_TONES.get(status.state, "on"),
        title=words.said(TITLES[status.state]),
        lines=[words.said(line) for line in status_in_words(status)],
        fresh=status.state not in ENDED,
    )


def reunion_view(reunion: Reunion, words: Words) -> str:
    """The long-lost twin of a visitor who agreed to be told; nothing of anybody else."""
    if reunion.news is TwinNews.not_asked_for:
        return ""
    return words.render(
        "reunion.html",
        own=reunion.own,
        twin=reunion.twin,
        percent=percent_of(reunion.likeness),
    )
