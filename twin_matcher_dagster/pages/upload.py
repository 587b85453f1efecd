"""Record or upload a clip, see the faces that were found, consent, and hand them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from twin_matcher_dagster.doors.quotas import LOOKS, UPLOADS
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.pages.catalogue import words_of
from twin_matcher_dagster.pages.lanes import Lane, lane_for_status, lane_for_words
from twin_matcher_dagster.pages.links import Links, links_apart
from twin_matcher_dagster.pages.look import look_of, routes_of_look
from twin_matcher_dagster.pages.page import add_header, bucket_of_environment
from twin_matcher_dagster.pages.session import Session
from twin_matcher_dagster.pages.site import Site, SitePage, serve_site
from twin_matcher_dagster.pages.status import status_page
from twin_matcher_dagster.pages.upload_desk import UploadDesk
from twin_matcher_dagster.pages.upload_parts import UploadParts, add_upload_parts, labels_of
from twin_matcher_dagster.pages.ways_in import WaysIn
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent

LOOKING, SENDING = 2, 4
"""Clips and sets of photos that are looked at at a time, each for seconds of two cores; and uploads
that are sent, which wait for the store."""

_ON_FOUND = "() => {window.dispatchEvent(new Event('found'))}"

# The page's address as the visitor has it, behind whatever proxy: for a link that others open. And
# what is said without a click is read out.
_ON_OPEN = """() => {
  document.querySelectorAll(".live").forEach((one) => one.setAttribute("aria-live", "polite"));
  return location.href.split(/[?#]/)[0];
}"""


def upload_page(store: ObjectStore, links: Links, ways: WaysIn) -> gr.Blocks:
    """The page.

    Args:
        store: the bucket.
        links: to the other pages.
        ways: in.
    """
    with gr.Blocks(title="Twin Matcher: add your face", analytics_enabled=False) as page:
        add_header(page, store, links, "upload")
        parts = add_upload_parts(page, store)
        desk = UploadDesk(store, links)
        _add_ways(desk, parts, ways)
        _add_form(page, desk, parts)
    return page


def _add_ways(desk: UploadDesk, parts: UploadParts, ways: WaysIn) -> None:
    """What is handed over is looked at."""

    def on_given(
        name: str,
        agreed: bool,
        event: gr.EventData,
        request: gr.Request,
        cancellation: Cancellation,
    ) -> Any:
        words = words_of(request)
        found = ways.found(event._data or {}, words, cancellation)
        return desk.show(found, name, agreed, words)

    act, small = Lane("looking", LOOKING).event(on_given, LOOKS), lane_for_words()
    for way in parts.ways:
        way.submit(
            act,
            [*parts.said],
            parts.found,
            show_progress_on=parts.message,
            # Once refused, because too many wait, Gradio's default would ask no more.
            trigger_mode="multiple",
            api_visibility="private",
            queue=False,
        ).then(None, js=_ON_FOUND, api_visibility="private").then(
            # Of a name that was typed meanwhile, what was found knows nothing.
            small.event(_on_word(desk)),
            [parts.session, *parts.said],
            [parts.outcome, *parts.sendable],
            show_progress="hidden",
            api_visibility="private",
            queue=False,
        )


def _on_word(desk: UploadDesk) -> Callable[..., Any]:
    """What is missing, whenever a visitor says something else of themselves."""

    def on_word(session: Session | None, name: str, agreed: bool, request: gr.Request) -> Any:
        return ["", *desk.sendable(session, name, agreed, words_of(request))]

    return on_word


def _add_form(page: gr.Blocks, desk: UploadDesk, parts: UploadParts) -> None:
    """Which faces, whose, and that they agree; and what comes after."""

    def on_open(request: gr.Request) -> Any:
        words = words_of(request)
        return labels_of(words) if words.language != "en" else [gr.skip()] * len(parts.labelled)

    def on_choice(
        session: Session | None,
        name: str,
        agreed: bool,
        event: gr.EventData,
        request: gr.Request,
    ) -> Any:
        numbers = (event._data or {}).get("left_out")
        return desk.choose(session, name, agreed, numbers, words_of(request))

    def on_send(
        session: Session | None,
        name: str,
        agreed: bool,
        twin: bool,
        published: bool,
        here: str,
        request: gr.Request,
    ) -> Any:
        words = words_of(request)
        # What else than True a browser may say is no consent.
        given = Consent.now(
            publication=published is True, long_lost_twin=twin is True, language=words.language
        )
        return desk.send(session, name, given if agreed is True else None, here, words)

    def on_look(session: Session | None, request: gr.Request) -> Any:
        return desk.look(session, words_of(request))

    said: list[Any] = [parts.session, *parts.said]
    # Not in Gradio's queue, which is everybody's: see `lanes`.
    unseen: dict[str, Any] = {"api_visibility": "private", "queue": False}
    quiet: dict[str, Any] = {**unseen, "show_progress": "hidden"}
    small = lane_for_words()
    page.load(small.event(on_open), None, parts.labelled, **quiet)
    page.load(None, None, parts.here, js=_ON_OPEN, **quiet)
    parts.faces.select(small.event(on_choice), said, parts.chosen, **quiet)
    gr.on(
        [parts.name.change, parts.consent.input],
        small.event(_on_word(desk)),
        said,
        [parts.outcome, *parts.sendable],
        trigger_mode="multiple",
        **quiet,
    )
    parts.send.click(
        Lane("sending", SENDING).event(on_send, UPLOADS),
        [*said, parts.twin_consent, parts.publish, parts.here],
        parts.sent,
        show_progress_on=parts.outcome,
        **unseen,
    ).then(None, js="() => document.querySelector('#receipt .receipt')?.focus()")
    parts.timer.tick(lane_for_status().event(on_look), parts.session, parts.watched, **quiet)
    parts.another.click(None, js="() => location.reload()")


def main() -> None:
    """Serve the page on its port, with the bucket that the environment names."""
    serve_site(lambda settings: upload_site(bucket_of_environment()), "upload_port")


def upload_site(store: ObjectStore) -> Site:
    """The page and the status page, by themselves."""
    links = links_apart(Settings())
    # Of one site: relative, so that a proxy may stand before it.
    ways = WaysIn.new()
    upload = upload_page(store, replace(links, upload="./", status="status/"), ways)
    status = status_page(store, replace(links, upload="../", status="./"))
    pages = [
        SitePage("/", upload, look_of("upload")),
        SitePage("/status", status, look_of("status", "../")),
    ]
    return Site(pages, store, routes=[*ways.routes(), *routes_of_look()])


if __name__ == "__main__":
    main()
