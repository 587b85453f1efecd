"""The part of the upload page that takes an upload out again."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import gradio as gr

from twin_matcher_dagster import refusals
from twin_matcher_dagster.erasure.eraser import ErasureResult, erase
from twin_matcher_dagster.erasure.request import note_with_code
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.pages.page import (
    LOG,
    VISITOR_WAITS_S,
    message_for_visitor,
    problem,
    success,
)
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore

# One at a time: each waits for the others' lock.
_ERASERS = ThreadPoolExecutor(1, "erasing")

_DONE = (
    "Your pictures, your name and all that was made of them are deleted. If you handed in another "
    "clip, it is still there: it has a code of its own."
)
_NOTED = (
    "Your wish is noted, and will be done without you: your pictures, your name and all that was "
    "made of them are being deleted. If you handed in another clip, it stays: it has a code of its "
    "own."
)


def erase_for_visitor(store: ObjectStore, upload_id: str, code: str) -> str:
    """Erase, and say what was done, as HTML.

    It is noted first. What is not done by the time that a visitor waits goes on, and should that
    fail, the asset ``erasures`` completes it.
    """
    if not (upload_id or "").strip() or not (code or "").strip():
        return problem(refusals.NO_CODE())
    until = time.monotonic() + VISITOR_WAITS_S
    within = Settings().retrain_within
    try:
        known = note_with_code(store.within(VISITOR_WAITS_S), upload_id, code, within)
    except TwinMatcherError as error:
        return problem(message_for_visitor(error))
    erasing = _ERASERS.submit(erase, store, known, within)
    erasing.add_done_callback(_log_failure)
    try:
        done = erasing.result(max(0.0, until - time.monotonic()))
    except (FutureTimeoutError, TwinMatcherError):
        return success(_NOTED)
    if done.pending is None:
        return success(_DONE)
    return success(
        _DONE,
        "Nobody is shown you any more. The model still in use has seen your pictures; it is "
        f"replaced by {done.pending:%d %B %Y, %H:%M} UTC at the latest.",
    )


def _log_failure(erasing: Future[ErasureResult]) -> None:
    if error := erasing.exception():
        LOG.error("An erasure is left to the asset erasures: %s", error)


def add_erasure_form(store: ObjectStore) -> None:
    """Build the part, within a page."""
    with gr.Accordion("Take your faces out again", open=False, elem_id="forget"):
        upload_id = gr.Textbox(label="Upload id", max_length=60, elem_id="erase-id")
        code = gr.Textbox(label="Erasure code", max_length=60, elem_id="erase-code")
        button = gr.Button("Erase everything of this upload", variant="stop", elem_id="erase")
        outcome = gr.HTML(elem_id="erased")
    # The code is nobody else's business: not in a public interface, not in a list of events.
    button.click(
        lambda given_id, given_code: erase_for_visitor(store, given_id, given_code),
        [upload_id, code],
        outcome,
        show_progress_on=outcome,
        api_visibility="private",
    )
