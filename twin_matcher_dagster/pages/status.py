"""What became of an upload, for whoever has its id and code; and their long-lost twin."""

from __future__ import annotations

from typing import Any

import gradio as gr

from twin_matcher_dagster.doors.quotas import ERASURES
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.pages.catalogue import Words, words_in, words_of
from twin_matcher_dagster.pages.erasure_form import ERASING, erase_for_visitor
from twin_matcher_dagster.pages.lanes import Lane, lane_for_status, lane_for_words
from twin_matcher_dagster.pages.links import Links
from twin_matcher_dagster.pages.look import STATIC
from twin_matcher_dagster.pages.page import (
    FORGET_AFTER_S,
    add_header,
    html_place,
    message_for_visitor,
)
from twin_matcher_dagster.pages.status_desk import LATER_S, SOON_S, StatusDesk, StatusShown
from twin_matcher_dagster.storage.object_store import ObjectStore

_SAME = [gr.skip()] * 7


class StatusActions:
    """What happens when a visitor does something: what fills the places of the page.

    The places are: what is shown, a message, the status, the twin, the button to be told of nobody,
    the part that erases, and the timer.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store, self._desk = store, StatusDesk(store)

    def show(self, upload_id: str, code: str, request: gr.Request | None) -> list[Any]:
        """Somebody typed both."""
        words = words_of(request)
        if not (upload_id or "").strip() or not (code or "").strip():
            return [_SAME[0], words.message("problem", words("status.type_both")), *_SAME[2:]]
        try:
            return _filled(self._desk.asked(upload_id, code, words))
        except TwinMatcherError as error:
            said = words.message("problem", words.said(message_for_visitor(error)))
            nothing = gr.Button(visible=False), gr.Accordion(visible=False)
            return [None, said, "", "", *nothing, gr.Timer(active=False)]

    def follow(self, upload_id: str, code: str, request: gr.Request | None) -> list[Any]:
        """Somebody came by a link, which may have neither."""
        return self.show(upload_id, code, request) if upload_id else _SAME

    def look(self, before: StatusShown | None, request: gr.Request | None) -> list[Any]:
        """Some time went by."""
        if before is None:
            return [*_SAME[:6], gr.Timer(active=False)]
        try:
            found = self._desk.look(before.upload_id, words_of(request))
        except TwinMatcherError:
            return _SAME  # looked at again soon
        # What is the same is not said again: it would be read out each time.
        return _SAME if found == before else _filled(found)

    def tell_of_nobody(self, before: StatusShown | None, request: gr.Request | None) -> list[Any]:
        """Somebody takes the agreement to a long-lost twin back."""
        words = words_of(request)
        if before is None:
            return _SAME
        try:
            self._desk.tell_of_nobody(before.upload_id)
            found = self._desk.look(before.upload_id, words)
        except TwinMatcherError as error:
            said = words.message("problem", words.said(message_for_visitor(error)))
            return [_SAME[0], said, *_SAME[2:]]
        return _filled(found, words.message("success", words("status.no_twin_done")))

    def erase(self, upload_id: str, code: str, request: gr.Request | None) -> list[Any]:
        """Somebody wants everything to be taken out."""
        words = words_of(request)
        said = erase_for_visitor(self._store, upload_id, code, words)
        try:
            return _filled(self._desk.asked(upload_id, code, words), said)
        except TwinMatcherError:
            return [_SAME[0], said, *_SAME[2:]]


def status_page(store: ObjectStore, links: Links) -> gr.Blocks:
    """The page.

    Args:
        store: the bucket.
        links: to the other pages.
    """
    act, english = StatusActions(store), words_in("en")
    with gr.Blocks(title=english("status.tab"), analytics_enabled=False) as page:
        add_header(page, store, links, "status")
        shown = gr.State(None, time_to_live=FORGET_AFTER_S)
        with gr.Column(elem_id="ask"):
            upload_id = gr.Textbox(max_length=60, elem_id="status-id", **_label(english, "id"))
            code = gr.Textbox(max_length=60, elem_id="status-code", **_label(english, "code"))
            show = gr.Button(english("status.show"), variant="primary", elem_id="show")
        message, status, twin = map(html_place, ("status-message", "status", "twin"))
        nobody = gr.Button(english("status.no_twin"), elem_id="no-twin", visible=False)
        with gr.Accordion(
            open=False, visible=False, elem_id="forget", **_label(english, "erase")
        ) as forget:
            what = html_place("erase-what", _line(english))
            erase = gr.Button(english("status.erase_sure"), variant="stop", elem_id="erase")
        timer = gr.Timer(SOON_S, active=False)
        both: list[Any] = [upload_id, code]
        places: list[Any] = [shown, message, status, twin, nobody, forget, timer]
        named: list[Any] = [upload_id, code, show, nobody, forget, what, erase]
        # The code is nobody else's business: not in a public interface, not in a list of events.
        quiet: dict[str, Any] = {
            "api_visibility": "private", "show_progress": "hidden", "queue": False,
        }  # fmt: skip
        seen: dict[str, Any] = {
            "api_visibility": "private", "show_progress_on": message, "queue": False,
        }  # fmt: skip
        asking, erasing = lane_for_status(), Lane("erasing", ERASING)
        page.load(lane_for_words().event(_labels), None, named, **quiet)
        page.load(None, None, both, js=(STATIC / "status.js").read_text(), **quiet).then(
            asking.event(act.follow), both, places, **quiet
        )
        timer.tick(asking.event(act.look), shown, places, **quiet)
        gr.on([show.click, code.submit], asking.event(act.show, ERASURES), both, places, **seen)
        nobody.click(asking.event(act.tell_of_nobody), shown, places, **seen)
        erase.click(erasing.event(act.erase, ERASURES), both, places, **seen)
    return page


def _labels(request: gr.Request | None) -> list[Any]:
    """The words of the page in the visitor's language."""
    words = words_of(request)
    if words.language == "en":
        return _SAME
    return [
        gr.Textbox(**_label(words, "id")),
        gr.Textbox(**_label(words, "code")),
        gr.Button(words("status.show")),
        gr.Button(words("status.no_twin")),
        gr.Accordion(**_label(words, "erase")),
        _line(words),
        gr.Button(words("status.erase_sure")),
    ]


def _filled(found: StatusShown, said: str = "") -> list[Any]:
    return [
        found,
        said,
        found.status,
        found.twin,
        gr.Button(visible=found.agreed),
        gr.Accordion(visible=found.is_there),
        gr.Timer(found.again_s or LATER_S, active=found.again_s is not None),
    ]


def _label(words: Words, name: str) -> dict[str, Any]:
    return {"label": words(f"status.{name}")}


def _line(words: Words) -> str:
    return words.render("line.html", text=words("status.erase_what"))
