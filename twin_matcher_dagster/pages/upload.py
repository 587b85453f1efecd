"""Record or upload a clip, see the faces that were found, consent, and hand them in."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from twin_matcher_dagster.faces.clip import extract_faces
from twin_matcher_dagster.faces.photo_set import extract_from_photos
from twin_matcher_dagster.pages.camera_guide import Guide
from twin_matcher_dagster.pages.catalogue import words_of
from twin_matcher_dagster.pages.found_faces import (
    NOTHING,
    find_faces,
    report_faces,
)
from twin_matcher_dagster.pages.links import Links, links_apart
from twin_matcher_dagster.pages.look import look_of, routes_of_look
from twin_matcher_dagster.pages.page import FORGET_AFTER_S, add_header, bucket_of_environment
from twin_matcher_dagster.pages.session import Session
from twin_matcher_dagster.pages.site import Site, SitePage, serve_site
from twin_matcher_dagster.pages.status import status_page
from twin_matcher_dagster.pages.upload_desk import UploadDesk
from twin_matcher_dagster.pages.upload_parts import UploadParts, add_upload_parts, labels_of
from twin_matcher_dagster.pages.visits import Visits
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent

MAX_CLIP_FILE = "200mb"
MAX_STATUS_FILE = "1kb"
FRAME_EVERY_S = 0.2


# The page's address as the visitor has it, behind whatever proxy: for a link that others open. And
# what is said without a click is read out.
_ON_OPEN = """() => {
  document.querySelectorAll(".live").forEach((one) => one.setAttribute("aria-live", "polite"));
  return location.href.split(/[?#]/)[0];
}"""


def upload_page(store: ObjectStore, links: Links) -> gr.Blocks:
    """The page.

    Args:
        store: the bucket.
        links: to the other pages.
    """
    with gr.Blocks(
        title="Twin Matcher: add your face",
        analytics_enabled=False,
        delete_cache=(60, FORGET_AFTER_S),
    ) as page:
        add_header(page, store, links, "upload")
        parts = add_upload_parts(page, store)
        desk, visits = UploadDesk(store, links), Visits(page)
        _add_doors(desk, parts, visits)
        _add_guide(desk, parts)
        _add_form(page, desk, parts)
    return page


def _add_doors(desk: UploadDesk, parts: UploadParts, visits: Visits) -> None:
    """The clip and the photos."""

    def on_clip(
        path: str | None,
        name: str,
        agreed: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        words = words_of(request)
        given = Path(path) if path else None
        found = find_faces(extract_faces, given, progress, words) if given else NOTHING
        return desk.show(found, name, agreed, words)

    def on_photos(
        files: list[Path],
        name: str,
        agreed: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        words = words_of(request)
        with visits.work(request) as cancellation:
            extract = partial(extract_from_photos, cancellation=cancellation)
            found = find_faces(extract, files, progress, words) if files else NOTHING
        return desk.show(found, name, agreed, words)

    for component, event, act in (
        (parts.recorded, parts.recorded.upload, on_clip),
        (parts.clip, parts.clip.change, on_clip),
        (parts.photos, parts.photos.change, on_photos),
    ):
        event(
            act,
            [component, *parts.said],
            parts.found,
            show_progress_on=parts.message,
            # Once refused, because too many wait, Gradio's default would ask no more.
            trigger_mode="multiple",
            api_visibility="private",
        )


def _add_guide(desk: UploadDesk, parts: UploadParts) -> None:
    """The camera with a guide."""
    same = [gr.skip()] * (3 + len(parts.found))
    guided = [parts.guide, parts.ring, parts.advice, *parts.found]

    def on_frame(
        state: Guide, frame: np.ndarray | None, name: str, agreed: bool, request: gr.Request
    ) -> Any:
        if frame is not None and state.add(frame):
            return on_finish(state, name, agreed, request)
        if state.abandoned:
            return same
        words = words_of(request)
        return [state, state.ring(words), state.advice_if_new(words) or gr.skip(), *same[3:]]

    def on_finish(state: Guide, name: str, agreed: bool, request: gr.Request) -> Any:
        if state.done:
            return same
        words = words_of(request)
        found = report_faces(state.finish, words)
        # Start again was pressed meanwhile: what is on its way must not undo it.
        if state.abandoned:
            return same
        shown = desk.show(found, name, agreed, words)
        return [state, state.ring(words), state.advice(words), *shown]

    def on_again(state: Guide, name: str, agreed: bool, request: gr.Request) -> Any:
        state.abandoned = True
        words, fresh = words_of(request), Guide()
        shown = desk.show(NOTHING, name, agreed, words)
        return [fresh, fresh.ring(words), fresh.advice(words), *shown]

    asked = [parts.guide, *parts.said]
    parts.camera.stream(
        on_frame,
        [parts.guide, parts.camera, *parts.said],
        guided,
        stream_every=FRAME_EVERY_S,
        time_limit=120,
        concurrency_limit=4,
        show_progress="hidden",
        api_visibility="private",
    )
    for button, act in ((parts.finish, on_finish), (parts.again, on_again)):
        button.click(act, asked, guided, show_progress="hidden", api_visibility="private")


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
        numbers = event._data.get("left_out")
        return desk.choose(session, name, agreed, numbers, words_of(request))

    def on_word(session: Session | None, name: str, agreed: bool, request: gr.Request) -> Any:
        return ["", *desk.sendable(session, name, agreed, words_of(request))]

    def on_send(
        session: Session | None,
        name: str,
        agreed: bool,
        twin: bool,
        published: bool,
        here: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        words = words_of(request)
        given = Consent.now(publication=published, long_lost_twin=twin, language=words.language)
        return desk.send(session, name, given if agreed else None, here, progress, words)

    def on_look(session: Session | None, request: gr.Request) -> Any:
        return desk.look(session, words_of(request))

    said: list[Any] = [parts.session, *parts.said]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.load(on_open, None, parts.labelled, **quiet)
    page.load(None, None, parts.here, js=_ON_OPEN, **quiet)
    # Not in the queue: who says a name does not wait behind others' clips.
    parts.faces.select(on_choice, said, parts.chosen, queue=False, **quiet)
    gr.on(
        [parts.name.change, parts.consent.input],
        on_word,
        said,
        [parts.outcome, *parts.sendable],
        trigger_mode="multiple",
        queue=False,
        **quiet,
    )
    parts.send.click(
        on_send,
        [*said, parts.twin_consent, parts.publish, parts.here],
        parts.sent,
        show_progress_on=parts.outcome,
        api_visibility="private",
    ).then(None, js="() => document.querySelector('#receipt .receipt')?.focus()")
    parts.timer.tick(on_look, parts.session, parts.watched, **quiet)
    parts.another.click(None, js="() => location.reload()")


def main() -> None:
    """Serve the page on its port, with the bucket that the environment names."""
    serve_site(lambda settings: upload_site(bucket_of_environment()), "upload_port")


def upload_site(store: ObjectStore) -> Site:
    """The page and the status page, by themselves."""
    links = links_apart(Settings())
    # Of one site: relative, so that a proxy may stand before it.
    upload = upload_page(store, replace(links, upload="./", status="status/"))
    status = status_page(store, replace(links, upload="../", status="./"))
    pages = [
        SitePage("/", upload, MAX_CLIP_FILE, look_of("upload")),
        SitePage("/status", status, MAX_STATUS_FILE, look_of("status", "../")),
    ]
    return Site(pages, store, routes=routes_of_look())


if __name__ == "__main__":
    main()
