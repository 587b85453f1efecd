"""A recorder of our own: it counts down, shows a ring of five seconds, and stops itself.

Gradio's camera records from a click to the next. This one hands its clip to a file input of
Gradio's, which is not shown: from there on it is a clip like any other.
"""

from __future__ import annotations

import gradio as gr

from twin_matcher_dagster.pages.catalogue import Words, words_in
from twin_matcher_dagster.pages.file_inputs import taken_by, video_path
from twin_matcher_dagster.pages.look import STATIC
from twin_matcher_dagster.pages.page import html_place

SECONDS = 5
TEXTS = (
    *("start", "again", "stop", "asking", "soon", "ahead", "left", "right", "sent", "stopped"),
    *("refused", "busy", "missing", "insecure", "unsupported"),
)
"""What the script says: names of texts."""


def recorder_view(words: Words) -> str:
    """The recorder, as HTML."""
    return words.render("recorder.html", seconds=SECONDS, names=TEXTS)


def clip_recorder() -> tuple[gr.HTML, gr.File]:
    """The recorder, and the input that its clip comes by; within a page."""
    script = (STATIC / "recorder.js").read_text()
    recorder = html_place("recorder", recorder_view(words_in("en")), js_on_load=script)
    recorded = taken_by(
        video_path, gr.File(label="recorded", elem_id="recorded", file_count="single")
    )
    return recorder, recorded
