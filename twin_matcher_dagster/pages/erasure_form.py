"""The part of the upload page that takes an upload out again."""

from __future__ import annotations

import gradio as gr

from twin_matcher_dagster.erasure.request import erase_with_code
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.pages.page import message_for_visitor, problem, success
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore


def add_erasure_form(store: ObjectStore) -> None:
    """Build the part, within a page."""

    def on_erase(upload_id: str, code: str) -> str:
        if not (upload_id or "").strip() or not (code or "").strip():
            return problem("Type the upload id and the erasure code that you were shown.")
        try:
            done = erase_with_code(store, upload_id, code, Settings().retrain_within)
        except TwinMatcherError as error:
            return problem(message_for_visitor(error))
        lines = [
            "Your pictures, your name and all that was made of them are deleted. If you handed in "
            "another clip, it is still there: it has a code of its own."
        ]
        if done.pending:
            lines.append(
                "Nobody is shown you any more. The model still in use has seen your pictures; it "
                f"is replaced by {done.pending:%d %B %Y, %H:%M} UTC at the latest."
            )
        return success(*lines)

    with gr.Accordion("Take your faces out again", open=False, elem_id="forget"):
        upload_id = gr.Textbox(label="Upload id", max_length=60, elem_id="erase-id")
        code = gr.Textbox(label="Erasure code", max_length=60, elem_id="erase-code")
        button = gr.Button("Erase everything of this upload", variant="stop", elem_id="erase")
        outcome = gr.HTML(elem_id="erased")
    # The code is nobody else's business: not in a public interface, not in a list of events.
    button.click(
        on_erase,
        [upload_id, code],
        outcome,
        show_progress_on=outcome,
        api_visibility="private",
    )
