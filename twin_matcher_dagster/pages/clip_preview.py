"""Where a clip is recorded or uploaded: no error for what the browser cannot play (HEVC)."""

from __future__ import annotations

import gradio as gr
from gradio.i18n import I18nData

from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster.pages.file_inputs import taken_by, video_path
from twin_matcher_dagster.pages.page import html_place

_UNPLAYABLE = (
    "Your browser cannot show this clip. It is read all the same: what was found is said below."
)

# Gradio says "Video not playable" wherever the browser cannot show a clip that we can read. Events
# of a video do not bubble, but they can be caught on their way down, before Gradio hears of them.
_CATCH_UNPLAYABLE = """() => {
  const ours = (event) =>
    event.target instanceof HTMLVideoElement && event.target.closest("#clip");
  const mark = (event, unplayable) =>
    ours(event) && event.target.classList.toggle("unplayable", unplayable);
  const listen = (name, heard) => document.addEventListener(name, heard, true);
  listen("loadstart", (event) => mark(event, false));
  listen("loadedmetadata", (event) => mark(event, event.target.videoWidth === 0));
  listen("error", (event) => {
    if (ours(event) && event.target.error) {
      event.stopImmediatePropagation();
      mark(event, true);
    }
  });
}"""

PREVIEW_CSS = """
#unplayable {display: none}
body:has(#clip video.unplayable) #unplayable {display: block}
#clip :has(> video.unplayable), #clip video.unplayable ~ * {visibility: hidden}
"""


def clip_input(page: gr.Blocks, label: I18nData) -> gr.Video:
    """The video of a page, and a note in place of its preview where there can be none."""
    clip = taken_by(
        video_path,
        gr.Video(
            sources=["upload", "webcam"],
            label=label,
            include_audio=False,
            elem_id="clip",
            height=360,
        ),
    )
    html_place("unplayable", words_in("en").render("line.html", text=_UNPLAYABLE))
    page.load(None, js=_CATCH_UNPLAYABLE, api_visibility="private")
    return clip
