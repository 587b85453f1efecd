"""What happens when a visitor of the upload page does something: from values to what it shows."""

from __future__ import annotations

from typing import Any

import gradio as gr

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.pages.found_faces import Found, faces_note
from twin_matcher_dagster.pages.links import Links
from twin_matcher_dagster.pages.session import Session, missing_of, send_faces
from twin_matcher_dagster.pages.status_desk import StatusDesk
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent

LOOK_EVERY_S = 3.0


class UploadDesk:
    """Answers a visitor; what a method gives fills a list of parts, see ``upload_parts``.

    Args:
        store: the bucket.
        links: to the other pages.
    """

    def __init__(self, store: ObjectStore, links: Links) -> None:
        self._store, self._links = store, links
        self._status = StatusDesk(store)

    def show(self, found: Found, name: str, agreed: bool, words: Words) -> list[Any]:
        """What was found, in place of what was said before; for ``parts.found``."""
        note = faces_note(found.session, words)
        sendable = self.sendable(found.session, name, agreed, words)
        return [found.session, found.message, found.faces, note, "", *sendable]

    def sendable(self, session: Session | None, name: str, agreed: bool, words: Words) -> list[Any]:
        """Whether Send can work, and what is missing; for ``parts.sendable``."""
        missing = [words(key) for key in missing_of(session, name, agreed)]
        said = words("upload.missing", what=", ".join(missing))
        return [gr.Button(interactive=not missing), said if missing else words("upload.ready")]

    def choose(
        self, session: Session | None, name: str, agreed: bool, numbers: Any, words: Words
    ) -> list[Any]:
        """Leave faces out; for ``parts.chosen``."""
        session = session.without(numbers) if session else None
        note = faces_note(session, words)
        return [session, note, "", *self.sendable(session, name, agreed, words)]

    def send(
        self,
        session: Session | None,
        name: str,
        consent: Consent | None,
        here: str,
        words: Words,
    ) -> list[Any]:
        """Hand the faces in; for ``parts.sent``."""
        address = self._links.status_from(here)
        done = send_faces(self._store, session, name, consent, words, address)
        is_sent = bool(done.session and done.session.sent)
        return [
            done.session,
            done.message,
            done.receipt,
            gr.Column(visible=not is_sent),
            gr.Button(visible=is_sent),
            "",
            gr.Timer(LOOK_EVERY_S, active=is_sent),
        ]

    def look(self, session: Session | None, words: Words) -> list[Any]:
        """What became of what was sent; for ``parts.watched``."""
        if session is None or not session.sent:
            return [gr.Timer(active=False), ""]
        try:
            shown = self._status.look(session.upload_id, words)
        except TwinMatcherError:
            return [gr.skip(), gr.skip()]  # looked at again soon
        return [gr.Timer(shown.again_s or LOOK_EVERY_S, active=bool(shown.again_s)), shown.status]
