"""What the two pages share: look, storage, messages."""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr

from twin_matcher_dagster.errors import ServicesError, TwinMatcherError
from twin_matcher_dagster.pages.catalogue import ENGLISH, Words, words_in, words_of
from twin_matcher_dagster.pages.lanes import Lane
from twin_matcher_dagster.pages.links import Links
from twin_matcher_dagster.release.invented import NO_PEOPLE, ReleasePeople, newest_people
from twin_matcher_dagster.release.reasons import OURS, sentence_of
from twin_matcher_dagster.settings import Settings, command
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore

# Pictures of people are kept in a page's memory no longer than this.
FORGET_AFTER_S = 900

VISITOR_WAITS_S = 8.0
"""The store has so long for what a visitor waits for; then the page says what is wrong."""

LOG = logging.getLogger(__name__)


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


def html_place(elem_id: str, value: str = "", **more: Any) -> gr.HTML:
    """A place for HTML from a template, in our own look alone.

    Args:
        elem_id: id in the page.
        value: what stands there at first.
        more: as of ``gr.HTML``.
    """
    return gr.HTML(value, elem_id=elem_id, apply_default_css=False, **more)


def add_header(page: gr.Blocks, store: ObjectStore, links: Links, here: str) -> None:
    """What stands above a page: who we are, the other page, what this one is for.

    It is said anew whenever the page is opened, in the visitor's language: of how many people, and
    that the sample's do not exist.

    Args:
        page: that is being built.
        store: the bucket.
        links: to the other page.
        here: which page it is, as the texts name it.
    """

    def look(request: gr.Request) -> str:
        people = newest_people(store.within(VISITOR_WAITS_S))
        return _header(words_of(request), links.seen_by(request), here, people)

    header = html_place("header", _header(words_in(ENGLISH), links, here, NO_PEOPLE))
    page.load(
        Lane("header", 2, each=20).event(look),
        None,
        header,
        show_progress="hidden",
        api_visibility="private",
        queue=False,
    )


def _header(words: Words, links: Links, here: str, people: ReleasePeople) -> str:
    lead = words(f"{here}.lead_of", count=people.count) if people.count else words(f"{here}.lead")
    return words.render("header.html", links=links, here=here, lead=lead, invented=people.note)


def message_for_visitor(error: TwinMatcherError) -> str:
    """What a visitor is told of an error; the log has what is ours to mend."""
    if isinstance(error, OURS):
        LOG.error("A visitor was told to come back later: %s", error)
    return sentence_of(error)
