"""What one visitor of the upload page has done so far, and what they are told of it."""

from __future__ import annotations

import html
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import (
    MaybeStoredError,
    StorageError,
    StoredAlreadyError,
    TwinMatcherError,
)
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.pages.page import (
    FORGET_AFTER_S,
    VISITOR_WAITS_S,
    message_for_visitor,
    problem,
    success,
)
from twin_matcher_dagster.pages.room import raise_if_store_full
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.erasure_code import new_erasure_code
from twin_matcher_dagster.uploads.submission import new_upload_id, submit


@dataclass(frozen=True)
class Session:
    """What one person has done so far; gone when the page is closed.

    The upload id and the erasure code are made with the faces, so that sending again after a fault
    continues the same upload. What one try may have stored stays possible, whatever the next says.
    """

    faces: tuple[np.ndarray, ...]
    hints: tuple[str, ...] = ()
    upload_id: str = field(default_factory=new_upload_id)
    erasure_code: str = field(default_factory=new_erasure_code)
    sent: str = ""
    maybe_stored: bool = False

    @property
    def receipt(self) -> str:
        """What a visitor takes home, as HTML."""
        return (
            f'<p class="keep">Upload id <code>{html.escape(self.upload_id)}</code><br>'
            f"Erasure code <code>{html.escape(self.erasure_code)}</code></p>"
        )


def send_faces(
    store: ObjectStore, session: Session | None, name: str, consent: Consent | None, progress: Any
) -> tuple[Session | None, str]:
    """Hand the faces in: what is left of the session, and a message."""
    if session is None:
        return None, problem(refusals.NO_FACES(count=MIN_FACES))
    if session.sent:
        return session, session.sent  # a second click must not take the erasure code away
    prompt = store.within(VISITOR_WAITS_S)

    def report(share: float) -> None:
        prompt.renew()
        progress(share, desc="sending")

    try:
        raise_if_store_full(Settings())
        submit(
            prompt,
            session.faces,
            name or "",
            consent,
            session.upload_id,
            session.erasure_code,
            session.hints,
            report,
        )
    except TwinMatcherError as error:
        return _not_sent(session, error)
    message = success(
        "Thank you! Your faces are stored and the model is being taught. In a few minutes the "
        "prediction page knows you.",
        "Write these two down, to have everything taken out again. The code is shown this once; we "
        "keep no copy of it.",
        more=session.receipt,
    )
    return replace(session, sent=message), message


def _not_sent(session: Session, error: TwinMatcherError) -> tuple[Session, str]:
    """What is left of the session, and a message: what went wrong, and what may be stored."""
    said = message_for_visitor(error)
    if isinstance(error, StoredAlreadyError):
        return session, problem(said, more=session.receipt)
    if not session.maybe_stored and not isinstance(error, MaybeStoredError):
        kept = f"Your faces stay on this page for {FORGET_AFTER_S // 60} minutes: send them again."
        ours = [f"Nothing was taken. {kept}"] if isinstance(error, StorageError) else []
        return session, problem(said, *ours)
    # It may be stored all the same: whoever leaves now can still have it taken out.
    return replace(session, maybe_stored=True), problem(
        said,
        refusals.MAY_BE_STORED(),
        more=session.receipt,
    )


def whose_clip(store: ObjectStore, session: Session) -> str | None:
    """What to say of the verdict on a clip that was sent, as HTML; None before there is one.

    Only that it was taken as another one of the same person: what is flagged or rejected is the
    operator's to say.
    """
    try:
        head = verdicts(store.within(VISITOR_WAITS_S), session.upload_id).head()
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
