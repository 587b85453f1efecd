"""A recorder of our own: it counts down, shows a ring of five seconds, and stops itself.

Gradio's camera records from a click to the next, and hands its clip over as a file.
"""

from __future__ import annotations

import gradio as gr

from twin_matcher_dagster.pages.catalogue import Words, words_in
from twin_matcher_dagster.pages.look import script
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


def clip_recorder() -> gr.HTML:
    """The recorder, within a page; its clip comes with the event ``submit``, by a token."""
    ours = script("hand.js", "recorder.js")
    return html_place("recorder", recorder_view(words_in("en")), js_on_load=ours)
