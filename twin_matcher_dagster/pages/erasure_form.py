"""The part of the upload page that takes an upload out again."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import gradio as gr

from twin_matcher_dagster import refusals
from twin_matcher_dagster.doors.quotas import ERASURES
from twin_matcher_dagster.erasure.eraser import ErasureResult, erase
from twin_matcher_dagster.erasure.request import note_with_code
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.pages.catalogue import Words, words_in, words_of
from twin_matcher_dagster.pages.lanes import Lane
from twin_matcher_dagster.pages.page import LOG, VISITOR_WAITS_S, html_place, message_for_visitor
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore

ERASING = 4
"""Erasures that are asked for at a time: each waits for the store, for seconds at most."""

# One at a time: each waits for the others' lock.
_ERASERS = ThreadPoolExecutor(1, "erasing")


def erase_for_visitor(store: ObjectStore, upload_id: str, code: str, words: Words) -> str:
    """Erase, and say what was done, as HTML.

    It is noted first. What is not done by the time that a visitor waits goes on, and should that
    fail, the asset ``erasures`` completes it.
    """
    if not (upload_id or "").strip() or not (code or "").strip():
        return words.message("problem", words.said(refusals.NO_CODE()))
    until = time.monotonic() + VISITOR_WAITS_S
    within = Settings().retrain_within
    try:
        known = note_with_code(store.within(VISITOR_WAITS_S), upload_id, code, within)
    except TwinMatcherError as error:
        return words.message("problem", words.said(message_for_visitor(error)))
    erasing = _ERASERS.submit(erase, store, known, within)
    erasing.add_done_callback(_log_failure)
    try:
        done = erasing.result(max(0.0, until - time.monotonic()))
    except (FutureTimeoutError, TwinMatcherError):
        return words.message("success", words("erasure.noted"))
    lines = [words("erasure.done")]
    if done.pending is not None:
        lines.append(words("erasure.model", until=f"{done.pending:%Y-%m-%d %H:%M} UTC"))
    return words.message("success", *lines)


def _log_failure(erasing: Future[ErasureResult]) -> None:
    if error := erasing.exception():
        LOG.error("An erasure is left to the asset erasures: %s", error)


def add_erasure_form(store: ObjectStore) -> list[gr.Accordion | gr.Textbox | gr.Button]:
    """Build the part, within a page; its components in the order of :func:`erasure_labels`."""
    first, *labels = erasure_labels(words_in("en"))
    with gr.Accordion(first, open=False, elem_id="forget") as part:
        upload_id = gr.Textbox(label=labels[0], max_length=60, elem_id="erase-id")
        code = gr.Textbox(label=labels[1], max_length=60, elem_id="erase-code")
        button = gr.Button(labels[2], variant="stop", elem_id="erase")
        outcome = html_place("erased")

    def on_erase(given_id: str, given_code: str, request: gr.Request) -> str:
        return erase_for_visitor(store, given_id, given_code, words_of(request))

    # The code is nobody else's business: not in a public interface, not in a list of events.
    button.click(
        Lane("erasing", ERASING).event(on_erase, ERASURES),
        [upload_id, code],
        outcome,
        show_progress_on=outcome,
        api_visibility="private",
        queue=False,
    )
    return [part, upload_id, code, button]


def erasure_labels(words: Words) -> list[str]:
    """The labels of the part, in a language."""
    keys = ("upload.forget", "status.id", "status.code", "status.erase_sure")
    return [words(key) for key in keys]
