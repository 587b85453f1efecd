"""What one visitor of the upload page has done so far, and what they are told of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import (
    MaybeStoredError,
    StorageError,
    StoredAlreadyError,
    TwinMatcherError,
    UploadError,
)
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.pages.page import (
    FORGET_AFTER_S,
    VISITOR_WAITS_S,
    message_for_visitor,
)
from twin_matcher_dagster.pages.receipt import receipt
from twin_matcher_dagster.pages.room import raise_if_store_full
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.erasure_code import new_erasure_code
from twin_matcher_dagster.uploads.submission import clean_name, new_upload_id, submit


@dataclass(frozen=True)
class Session:
    """What one person has done so far; gone when the page is closed.

    The upload id and the erasure code are made with the faces, so that sending again after a fault
    continues the same upload. What one try may have stored stays possible, whatever the next says.

    Attributes:
        faces: uint8 RGB [160, 160, 3] each, that were found.
        hints: what was noticed about them.
        left_out: numbers of the faces that the person does not want to send.
        upload_id, erasure_code: under which they are sent.
        sent: whether they were.
        maybe_stored: whether a try may have stored them, of which nobody knows.
    """

    faces: tuple[np.ndarray, ...]
    hints: tuple[str, ...] = ()
    left_out: frozenset[int] = frozenset()
    upload_id: str = field(default_factory=new_upload_id)
    erasure_code: str = field(default_factory=new_erasure_code)
    sent: bool = False
    maybe_stored: bool = False

    @property
    def kept(self) -> tuple[np.ndarray, ...]:
        """The faces that are to be sent."""
        return tuple(face for n, face in enumerate(self.faces) if n not in self.left_out)

    def without(self, numbers: Any) -> Session:
        """The same session with other faces left out.

        Once some of them may be stored nothing changes: a second try has to send the same.

        Args:
            numbers: as a browser says them; what is no number of a face is passed over.
        """
        if self.sent or self.maybe_stored or not isinstance(numbers, list):
            return self
        known = frozenset(n for n in numbers if isinstance(n, int) and 0 <= n < len(self.faces))
        return replace(self, left_out=known)


@dataclass(frozen=True)
class Outcome:
    """What is left of a session after a try, and what is said of it.

    Attributes:
        session: what is left.
        message: HTML of what went wrong; empty if nothing did.
        receipt: HTML of what the visitor has to keep; empty if there is nothing.
    """

    session: Session | None
    message: str = ""
    receipt: str = ""


def missing_of(session: Session | None, name: str, agreed: bool) -> list[str]:
    """What stands in the way of sending, as keys of texts; nothing if it can work."""
    missing = []
    if session is None:
        missing.append("upload.needs_faces")
    elif len(session.kept) < MIN_FACES:
        missing.append("upload.needs_more_faces")
    try:
        clean_name(name or "")
    except UploadError:
        missing.append("upload.needs_name")
    return missing if agreed is True else [*missing, "upload.needs_consent"]


def send_faces(
    store: ObjectStore,
    session: Session | None,
    name: str,
    consent: Consent | None,
    words: Words,
    address: str = "",
) -> Outcome:
    """Hand the faces in.

    Args:
        store: the bucket.
        session: of the visitor.
        name, consent: what they say.
        words: the visitor's language.
        address: of the status page, as the visitor has it; empty where that is not known.
    """
    if session is None:
        return Outcome(None, _problem(words, refusals.NO_FACES(count=MIN_FACES)))
    if session.sent:
        # A second click must not take the erasure code away.
        return Outcome(session, receipt=_receipt(session, words, address))
    prompt = store.within(VISITOR_WAITS_S)

    def report(share: float) -> None:
        prompt.renew()

    try:
        if len(session.kept) < MIN_FACES:
            raise UploadError(refusals.NO_FACES(count=MIN_FACES))
        raise_if_store_full(Settings())
        submit(
            prompt,
            session.kept,
            name or "",
            consent,
            session.upload_id,
            session.erasure_code,
            session.hints,
            report,
        )
    except TwinMatcherError as error:
        return _not_sent(session, error, words, address)
    return Outcome(replace(session, sent=True), receipt=_receipt(session, words, address))


def _receipt(session: Session, words: Words, address: str, title: str = "receipt.title") -> str:
    return receipt(session.upload_id, session.erasure_code, words(title), words, address)


def _not_sent(session: Session, error: TwinMatcherError, words: Words, address: str) -> Outcome:
    """What went wrong, and what may be stored."""
    said = message_for_visitor(error)
    if isinstance(error, StoredAlreadyError):
        kept = _receipt(session, words, address, "receipt.maybe")
        return Outcome(session, _problem(words, said), kept)
    if not session.maybe_stored and not isinstance(error, MaybeStoredError):
        kept = words("upload.nothing_taken", minutes=FORGET_AFTER_S // 60)
        ours = [kept] if isinstance(error, StorageError) else []
        return Outcome(session, _problem(words, said, *ours))
    # It may be stored all the same: whoever leaves now can still have it taken out.
    return Outcome(
        replace(session, maybe_stored=True),
        _problem(words, said, refusals.MAY_BE_STORED()),
        _receipt(session, words, address, "receipt.maybe"),
    )


def _problem(words: Words, *lines: str) -> str:
    said = [words.said(line) for line in lines]
    return words.message("problem", *said)
