"""Record or upload a clip, see the faces that were found, consent, and hand them in."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency

from twin_matcher_dagster.faces.clip import (
    MIN_FACES,
    extract_faces,
)
from twin_matcher_dagster.faces.photo_set import extract_from_photos
from twin_matcher_dagster.pages.camera_guide import Guide
from twin_matcher_dagster.pages.clip_preview import clip_input
from twin_matcher_dagster.pages.erasure_form import add_erasure_form
from twin_matcher_dagster.pages.file_inputs import given_frame, taken_by, visitor_photos
from twin_matcher_dagster.pages.found_faces import NOTHING, Found, find_faces, report_faces
from twin_matcher_dagster.pages.links import Links, links_apart
from twin_matcher_dagster.pages.look import look_of, routes_of_look
from twin_matcher_dagster.pages.page import (
    FORGET_AFTER_S,
    add_header,
    bucket_of_environment,
)
from twin_matcher_dagster.pages.session import Session, send_faces, whose_clip
from twin_matcher_dagster.pages.site import Site, SitePage, serve_site
from twin_matcher_dagster.pages.visits import Visits
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import CONSENT_TEXT, PUBLICATION_TEXT, Consent

MAX_CLIP_FILE = "200mb"
FRAME_EVERY_S = 0.2
LOOK_EVERY_S = 3
_SAME = (gr.skip(),) * 5


def upload_page(store: ObjectStore, links: Links) -> gr.Blocks:
    """The page.

    Args:
        store: the bucket.
        links: to the other page.
    """
    with gr.Blocks(
        title="Twin Matcher: add your face",
        analytics_enabled=False,
        delete_cache=(60, FORGET_AFTER_S),
    ) as page:
        visits = Visits(page)
        session = gr.State(None, time_to_live=FORGET_AFTER_S)
        add_header(page, store, links, "upload")
        with gr.Tabs(elem_id="ways"):
            with gr.Tab("Clip", id="clip"):
                clip = clip_input(page)
            with gr.Tab("Camera with hints", id="guided"):
                guide = gr.State(Guide, time_to_live=FORGET_AFTER_S)
                camera = taken_by(
                    given_frame,
                    gr.Image(
                        sources=["webcam"],
                        streaming=True,
                        label="Your camera",
                        elem_id="camera",
                        height=360,
                    ),
                )
                advice = gr.HTML(Guide().advice(), elem_id="advice")
                with gr.Row():
                    finish = gr.Button("Use what there is", size="sm", elem_id="finish")
                    again = gr.Button("Start again", size="sm", elem_id="again")
            with gr.Tab("Photos", id="photos"):
                photos = taken_by(
                    visitor_photos,
                    gr.File(
                        file_count="multiple",
                        label=f"{MIN_FACES} or more photos of you alone",
                        elem_id="photos",
                        height=200,
                    ),
                )
        found = gr.HTML(elem_id="found")
        gallery = gr.Gallery(
            label="Faces found",
            columns=6,
            height=260,
            object_fit="cover",
            elem_id="faces",
            visible=False,
        )
        name = gr.Textbox(
            label="Name to show",
            placeholder="as others should see it",
            max_length=80,
            elem_id="name",
        )
        consent = gr.Checkbox(label=CONSENT_TEXT, elem_id="consent")
        publish = gr.Checkbox(
            label=PUBLICATION_TEXT,
            elem_id="publish",
            visible=Settings().publishes,
        )
        button = gr.Button("Send my faces", variant="primary", elem_id="send")
        outcome = gr.HTML(elem_id="outcome")
        shown = [session, gallery, found]

        def show(what: Found) -> Any:
            state, faces, message = what
            return state, gr.Gallery(faces, visible=bool(faces)), message

        def on_clip(path: str | None, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
            return show(find_faces(extract_faces, Path(path), progress) if path else NOTHING)

        def on_photos(
            files: list[Path],
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> Any:
            with visits.work(request) as cancellation:
                extract = partial(extract_from_photos, cancellation=cancellation)
                return show(find_faces(extract, files, progress) if files else NOTHING)

        def on_frame(state: Guide, frame: np.ndarray | None) -> Any:
            if frame is not None and state.add(frame):
                return on_finish(state)
            return _SAME if state.abandoned else (state, state.advice(), *_SAME[2:])

        def on_finish(state: Guide) -> Any:
            if state.done:
                return _SAME
            found = report_faces(state.finish)
            # Start again was pressed meanwhile: what is on its way must not undo it.
            return _SAME if state.abandoned else (state, state.advice(), *show(found))

        def on_again(state: Guide) -> Any:
            state.abandoned = True
            return Guide(), Guide().advice(), *show(NOTHING)

        def on_send(
            state: Session | None,
            text: str,
            agreed: bool,
            published: bool,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> Any:
            given = Consent.now(publication=published) if agreed else None
            return send_faces(store, state, text, given, progress)

        clip.change(on_clip, clip, shown, show_progress_on=found, api_visibility="private")
        photos.change(on_photos, photos, shown, show_progress_on=found, api_visibility="private")
        camera.stream(
            on_frame,
            [guide, camera],
            [guide, advice, *shown],
            stream_every=FRAME_EVERY_S,
            time_limit=120,
            concurrency_limit=4,
            show_progress="hidden",
            api_visibility="private",
        )
        guided = [guide, advice, *shown]
        finish.click(on_finish, guide, guided, show_progress="hidden", api_visibility="private")
        again.click(on_again, guide, guided, show_progress="hidden", api_visibility="private")
        _add_watch(
            store,
            session,
            button.click(
                on_send,
                [session, name, consent, publish],
                [session, outcome],
                show_progress_on=outcome,
                api_visibility="private",
            ),
        )
        add_erasure_form(store)
    return page


def _add_watch(store: ObjectStore, session: gr.State, sent: Dependency) -> None:
    """Say whose clip it was taken for, once it was judged; looks while the page is open."""
    whose = gr.HTML(elem_id="whose")
    timer = gr.Timer(LOOK_EVERY_S, active=False)

    def look(state: Session | None) -> Any:
        said = whose_clip(store, state) if state and state.sent else ""
        return (gr.skip(), gr.skip()) if said is None else (gr.Timer(active=False), said)

    shown: list[Any] = [timer, whose]
    sent.then(lambda: (gr.Timer(active=True), ""), None, shown, api_visibility="private")
    timer.tick(look, session, shown, show_progress="hidden", api_visibility="private")


def main() -> None:
    """Serve the page on its port, with the bucket that the environment names."""
    serve_site(lambda settings: upload_site(bucket_of_environment()), "upload_port")


def upload_site(store: ObjectStore) -> Site:
    """The page by itself."""
    page = upload_page(store, links_apart(Settings()))
    pages = [SitePage("/", page, MAX_CLIP_FILE, look_of("upload"))]
    return Site(pages, store, routes=routes_of_look())


if __name__ == "__main__":
    main()
