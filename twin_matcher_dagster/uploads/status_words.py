"""What became of an upload, in sentences for its owner."""

from __future__ import annotations

from datetime import datetime, timezone

from twin_matcher_dagster.uploads.status import UploadState, UploadStatus

TITLES = {
    UploadState.received: "Received",
    UploadState.being_checked: "Being checked",
    UploadState.waits_for_a_person: "Waits for a person",
    UploadState.not_taken: "Not taken",
    UploadState.record_again: "Please record once more",
    UploadState.taken: "Taken",
    UploadState.another_clip: "Another clip of you",
    UploadState.in_release: "In",
    UploadState.being_erased: "Being erased",
    UploadState.erased: "Erased",
}
"""Of each state two or three words."""
SENTENCES = {
    UploadState.received: "Your faces are stored, and wait for their turn.",
    UploadState.being_checked: "Your faces are stored, and are being looked at. This takes about "
    "a minute.",
    UploadState.waits_for_a_person: "A person has to look at your pictures first, because the face "
    "looks like somebody's who is known already.",
    UploadState.not_taken: "Your pictures are shown to nobody, and will be deleted.",
    UploadState.record_again: "A person looked at your pictures and asks for others. Hand in new "
    "ones on the upload page. These are shown to nobody, and will be deleted.",
    UploadState.taken: "Your faces are taken. The next release has you in it; that takes a few "
    "minutes.",
    UploadState.another_clip: "There is a clip of you under this name already. This one is held "
    "out: nothing is learnt from it, and it is shown to nobody. It measures how well you are "
    "found. If the other one is erased, this one takes its place.",
    UploadState.in_release: "The prediction page knows you.",
    UploadState.being_erased: "It is being taken out of everything. Nobody has to do anything.",
    UploadState.erased: "Everything of this upload is deleted.",
}
"""Of each state what it means, and what comes next."""


def status_in_words(status: UploadStatus, now: datetime | None = None) -> list[str]:
    """A status, a sentence each.

    Args:
        status: which.
        now: the time, UTC; by default this moment.
    """
    said = [SENTENCES[status.state], *status.why]
    if status.state is UploadState.received:
        before = "many uploads are" if status.ahead is None else f"{status.ahead} came"
        said.append(f"{before[0].upper()}{before[1:]} before it.")
    if status.since:
        said.append(f"It is in since release {status.since}.")
    elif status.release:
        said.append(f"It is in release {status.release}.")
    if status.retrain_by and status.retrain_by > (now or datetime.now(timezone.utc)):
        said.append(
            "A model that learnt from it may be in use until "
            f"{status.retrain_by:%Y-%m-%d %H:%M} UTC at the latest."
        )
    return said
