"""What one visitor of the upload page has done so far, and what they are told of it."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

import numpy as np

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.pages.page import success
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.erasure_code import new_erasure_code
from twin_matcher_dagster.uploads.submission import new_upload_id


@dataclass(frozen=True)
class Session:
    """What one person has done so far; gone when the page is closed.

    The upload id and the erasure code are made with the faces, so that sending again after a fault
    continues the same upload.
    """

    faces: tuple[np.ndarray, ...]
    hints: tuple[str, ...] = ()
    upload_id: str = field(default_factory=new_upload_id)
    erasure_code: str = field(default_factory=new_erasure_code)
    sent: str = ""

    @property
    def receipt(self) -> str:
        """What a visitor takes home, as HTML."""
        return (
            f'<p class="keep">Upload id <code>{html.escape(self.upload_id)}</code><br>'
            f"Erasure code <code>{html.escape(self.erasure_code)}</code></p>"
        )


def whose_clip(store: ObjectStore, session: Session) -> str | None:
    """What to say of the verdict on a clip that was sent, as HTML; None before there is one.

    Only that it was taken as another one of the same person: what is flagged or rejected is the
    operator's to say.
    """
    try:
        head = verdicts(store, session.upload_id).head()
    except TwinMatcherError:
        return None  # looked at again soon
    if head is None:
        return None
    if not (head.record.accepted and head.record.is_another_clip):
        return ""
    return success(
        "There is a clip of you under this name already, so this one was taken as another clip of "
        "the same person. It is held out while the other one is there: nothing is learnt from it, "
        "and it is shown to nobody. It measures how well you are found.",
        "Each clip has a code of its own. To be taken out altogether, use the codes of all.",
    )
