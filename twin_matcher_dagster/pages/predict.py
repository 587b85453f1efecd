"""A photo or the webcam -> the twins, always from the latest release."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.images import encode_png
from twin_matcher_dagster.media.photos import read_photo
from twin_matcher_dagster.pages.file_inputs import given_photo, taken_by
from twin_matcher_dagster.pages.page import (
    FORGET_AFTER_S,
    VISITOR_WAITS_S,
    add_invented_note,
    bucket_of_environment,
    data_uri,
    message_for_visitor,
    problem,
)
from twin_matcher_dagster.pages.site import Site, SitePage, serve_site
from twin_matcher_dagster.pages.visits import Visits
from twin_matcher_dagster.release.answers import Answer, FaceChoice, TwinCard
from twin_matcher_dagster.release.serving import Production

# At the door. Up to here a photo that is too large is told so in a sentence, without being read.
MAX_PHOTO_FILE = "50mb"


def answer(
    production: Production,
    photo: Path | bytes | None,
    face: int | None = None,
    cancellation: Cancellation | None = None,
) -> tuple[str, Sequence[np.ndarray]]:
    """What to show for a photo: HTML, and the faces to choose from where there are several.

    Args:
        production: the releases.
        photo: the encoded file, or its path.
        face: position of the face that is meant, among those that were shown.
        cancellation: of the request.
    """
    if photo is None:
        return "", ()
    try:
        found = production.finder().ask(read_photo(photo, cancellation), face)
    except TwinMatcherError as error:
        return problem(message_for_visitor(error)), ()
    if isinstance(found, FaceChoice):
        return problem(found.advice), found.faces
    return cards(found), found.faces if len(found.faces) > 1 else ()


def cards(found: Answer) -> str:
    """The twins of an answer, side by side; names are people's free text and are escaped."""
    probe = data_uri(encode_png(found.face))
    head = (
        f'<p><img src="{probe}" alt="the face that was found" width="56" height="56" '
        'style="display:inline-block;border-radius:50%;vertical-align:middle;margin-right:10px">'
        f"{_identity(found)}Most alike, of everybody in release {found.release}:</p>"
    )
    body = "".join(_card(rank, twin) for rank, twin in enumerate(found.twins, 1))
    return f'{head}{_notes(found)}<div class="twins" data-release="{found.release}">{body}</div>'


def _notes(found: Answer) -> str:
    """What makes the answer less sure, and what to do about it."""
    unsure = "Not sure: another photo of you may have another first twin."
    notes = [*([unsure] if found.sure is False else []), *(hint.advice for hint in found.hints)]
    return "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)


def _identity(found: Answer) -> str:
    """Who the visitor is, where the gallery knows them: the twins are the others then."""
    if found.identity is None:
        return ""
    return f'<strong class="identity">This is you: {html.escape(found.identity.label)}.</strong> '


def _card(rank: int, twin: TwinCard) -> str:
    name = html.escape(twin.label)
    pictures = [data_uri(image) for image in twin.portraits]
    first = f'<img src="{pictures[0]}" alt="{name}">' if pictures else ""
    more = "".join(f'<img src="{picture}" alt="">' for picture in pictures[1:])
    percent = 100 * (twin.likeness or 0.0)
    return (
        f'<article class="twin">{first}<div class="more">{more}</div><div class="about">'
        f'<div class="name">{rank}. {name}</div>'
        f'<div class="kind">{twin.description}</div>'
        f'<div class="likeness">{html.escape(twin.words)}</div>'
        f'<div class="bar"><div style="width:{percent:.0f}%"></div></div>'
        f"{_about(twin)}</div></article>"
    )


def _about(twin: TwinCard) -> str:
    """The biography of a twin, if its source tells one."""
    if twin.about is None:
        return ""
    facts, text = html.escape(twin.about.facts()), html.escape(twin.about.biography)
    return f'<div class="facts">{facts}</div><p class="biography">{text}</p>'


def predict_page(production: Production) -> gr.Blocks:
    """The page."""
    with gr.Blocks(
        title="Twin Matcher: find your twin",
        analytics_enabled=False,
        delete_cache=(60, FORGET_AFTER_S),
    ) as page:
        gr.Markdown("# Find your twin")
        gr.Markdown(
            "Take a picture or choose a photo of one person. It is compared and then forgotten.",
            elem_classes="lead",
        )
        add_invented_note(page, production.store)
        visits = Visits(page)
        photo = taken_by(
            given_photo,
            gr.Image(sources=["webcam", "upload"], label="Photo", height=360, elem_id="photo"),
        )
        faces = gr.Gallery(
            label="Faces in the photo: choose who is meant",
            columns=6,
            height=170,
            object_fit="cover",
            allow_preview=False,
            elem_id="choice",
            visible=False,
        )
        twins = gr.HTML(elem_id="twins")

        def on_photo(given: Path | bytes | None, request: gr.Request) -> Any:
            with visits.work(request) as cancellation:
                html, found = answer(production, given, cancellation=cancellation)
            shown = [Image.fromarray(face) for face in found]
            return html, gr.Gallery(shown, visible=bool(shown), selected_index=None)

        def on_face(given: Path | bytes | None, event: gr.SelectData, request: gr.Request) -> str:
            with visits.work(request) as cancellation:
                return answer(production, given, event.index, cancellation)[0]

        shown = [twins, faces]
        photo.change(on_photo, photo, shown, show_progress_on=twins, api_name="twins")
        faces.select(on_face, photo, twins, show_progress_on=twins, api_visibility="private")
    return page


def main() -> None:
    """Serve the page on its port, with the bucket that the environment names."""
    serve_site(lambda settings: predict_site(production()), "predict_port")


def predict_site(production: Production) -> Site:
    """The page by itself."""
    return Site([SitePage("/", predict_page(production), MAX_PHOTO_FILE)], production.store)


def production() -> Production:
    """The releases of the bucket that the environment names, for visitors: two waits of a question,
    and the answer itself, are within ten seconds."""
    return Production(bucket_of_environment(), VISITOR_WAITS_S / 2)


if __name__ == "__main__":
    main()
