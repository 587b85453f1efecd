"""What the two pages share: look, storage, messages."""

from __future__ import annotations

import base64
import html
import logging
from collections.abc import Sequence

import gradio as gr

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import (
    MaybeStoredError,
    RecogniserError,
    ServicesError,
    StorageError,
    StoreAwayError,
    StoreFullError,
    TwinMatcherError,
)
from twin_matcher_dagster.release.invented import invented_note
from twin_matcher_dagster.settings import Settings, command
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore

# Pictures of people are kept in the page's temporary folder no longer than this.
FORGET_AFTER_S = 900

VISITOR_WAITS_S = 8.0
"""The store has so long for what a visitor waits for; then the page says what is wrong."""

# What goes wrong with these is ours to mend; what exactly is in the log.
OURS = (StorageError, RecogniserError, ServicesError)
LOG = logging.getLogger(__name__)

CSS = """
.gradio-container {max-width: 860px !important; width: 100%; margin: auto}
main, .fillable, .contain {width: 100% !important}
.lead {opacity: .75; margin-top: -.4em}
.problem, .success {border-left: 4px solid; padding: .6em 1em; border-radius: 6px}
.problem {border-color: #dc2626; background: #dc262614}
.success {border-color: #16a34a; background: #16a34a14}
.problem p, .success p {margin: .2em 0}
.keep code {font-size: 1.1em; user-select: all; overflow-wrap: anywhere}
#faces .caption-label {font-size: .65em; padding: 1px 5px; right: 2px; bottom: 2px}
#clip video {max-height: 300px}
.yaw {width: 100%; margin-top: .8em}
.advice {font-size: 1.15em; font-weight: 600; padding: .6em 1em; border-radius: 10px;
  background: var(--background-fill-secondary)}
.advice small {font-weight: 400; opacity: .7}
.twins {display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 14px}
.twin {border: 1px solid var(--border-color-primary); border-radius: 14px; overflow: hidden;
  background: var(--background-fill-secondary)}
.note {opacity: .75; margin: 0 0 .5em}
.twin > img {width: 100%; aspect-ratio: 1; object-fit: cover; display: block}
.twin .more {display: flex; gap: 6px; padding: 8px 12px 0}
.twin .more img {width: 44px; height: 44px; border-radius: 8px}
.twin .about {padding: 8px 12px 12px}
.twin .name {font-weight: 650; font-size: 1.05em; overflow-wrap: anywhere}
.twin .kind {font-size: .8em; opacity: .7}
.twin .likeness {font-size: .9em; margin-top: 4px}
.twin .facts {font-size: .85em; font-weight: 550; margin-top: 8px}
.twin .biography {font-size: .85em; opacity: .8; margin: 2px 0 0; overflow-wrap: anywhere}
.bar {height: 6px; border-radius: 3px; background: #8883; margin-top: 6px}
.bar div {height: 100%; border-radius: 3px; background: #4f46e5}
"""


def bucket_of_environment() -> ObjectStore:
    """The bucket that the environment names.

    Raises:
        ServicesError: it names none.
    """
    bucket = Settings().twin_matcher_bucket
    if not bucket:
        raise ServicesError(
            f"TWIN_MATCHER_BUCKET is not set. Start the page with `{command('up')}`, or run "
            '`eval "$(twin-matcher env)"` first.'
        )
    return ObjectStore.from_environment(bucket, PAGE_CONFIG)


def problem(*lines: str, more: str = "") -> str:
    """A message about something to mend: lines of text, then HTML of the page's own."""
    return f'<div class="problem" role="alert">{_lines(lines)}{more}</div>'


def success(*lines: str, more: str = "") -> str:
    """A message about something that worked, likewise."""
    return f'<div class="success" role="status">{_lines(lines)}{more}</div>'


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def add_invented_note(page: gr.Blocks, store: ObjectStore) -> None:
    """Say on a page that the sample's people do not exist, whenever the page is opened."""
    note = gr.HTML(elem_id="invented")

    def look() -> str:
        said = html.escape(invented_note(store.within(VISITOR_WAITS_S)))
        return f'<p class="note">{said}</p>' if said else ""

    page.load(look, None, note, show_progress="hidden", api_visibility="private")


def message_for_visitor(error: TwinMatcherError) -> str:
    """What a visitor is told of an error: of our own machines no more than that they are away."""
    if not isinstance(error, OURS):
        return str(error)
    LOG.error("A visitor was told to come back later: %s", error)
    if isinstance(error, StoreFullError):
        return refusals.OUR_STORE_FULL()
    if isinstance(error, StoreAwayError | MaybeStoredError):
        return refusals.OUR_STORE_AWAY()
    return refusals.OUR_FAULT()


def data_uri(image: bytes) -> str:
    """An encoded picture inside a page."""
    kind = "png" if image[:4] == b"\x89PNG" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
