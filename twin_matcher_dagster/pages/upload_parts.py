"""The components of the upload page, and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from twin_matcher_dagster.pages.catalogue import Words, words_in
from twin_matcher_dagster.pages.erasure_form import add_erasure_form, erasure_labels
from twin_matcher_dagster.pages.look import STATIC
from twin_matcher_dagster.pages.page import FORGET_AFTER_S, html_place
from twin_matcher_dagster.pages.recorder import clip_recorder, recorder_view
from twin_matcher_dagster.pages.ways_in import (
    CLIP,
    PHOTOS,
    camera_view,
    given_files,
    given_view,
    guided_camera,
)
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import (
    CONSENT_DETAILS,
    CONSENT_TEXT,
    PUBLICATION_TEXT,
    TWIN_TEXT,
)


@dataclass(frozen=True)
class UploadParts:
    """The components, and the lists of them that events fill.

    Attributes:
        session, here: what the page knows, and its own address.
        ways: in: what each hands over comes with its event ``submit``.
        message, faces: of what was found.
        name, consent, twin_consent, publish, send: the form.
        outcome, another, timer: of what was sent.
        said: name and consent, which many events ask for.
        found: what is filled after a look: session, message, faces, note, outcome, and
            ``sendable``. What had to be kept of an earlier try stays.
        chosen: after a choice of faces: session, note, outcome, and ``sendable``.
        sendable: the button, and what is missing.
        sent: after sending: session, outcome, receipt, form, another, what is missing, timer.
        watched: after a look at what became of it: timer, status.
        labelled: everything that has words, in the order of :func:`labels_of`.
    """

    session: gr.State
    here: gr.Textbox
    ways: Sequence[gr.HTML]
    message: gr.HTML
    faces: gr.HTML
    name: gr.Textbox
    consent: gr.Checkbox
    twin_consent: gr.Checkbox
    publish: gr.Checkbox
    send: gr.Button
    outcome: gr.HTML
    another: gr.Button
    timer: gr.Timer
    said: Sequence[Any]
    found: Sequence[Any]
    chosen: Sequence[Any]
    sendable: Sequence[Any]
    sent: Sequence[Any]
    watched: Sequence[Any]
    labelled: Sequence[Any]


def add_upload_parts(page: gr.Blocks, store: ObjectStore) -> UploadParts:
    """Build them, within a page.

    Args:
        page: that is being built.
        store: the bucket.
    """
    words = words_in("en")
    session = gr.State(None, time_to_live=FORGET_AFTER_S)
    here = gr.Textbox(visible="hidden", elem_id="here")
    with gr.Column(elem_id="form") as form:
        with gr.Tabs(elem_id="ways"):
            with gr.Tab(words("upload.record"), id="record") as record_tab:
                recorder = clip_recorder()
            with gr.Tab(words("upload.guided"), id="guided") as guided_tab:
                camera = guided_camera(words)
            with gr.Tab(words("upload.clip"), id="clip") as clip_tab:
                clip = given_files(CLIP, words)
            with gr.Tab(words("upload.photos"), id="photos") as photos_tab:
                photos = given_files(PHOTOS, words)
        ways = [recorder, camera, clip, photos]
        message = html_place("found")
        faces = html_place("faces", js_on_load=(STATIC / "faces.js").read_text())
        note = html_place("faces-note", elem_classes="note live")
        name = gr.Textbox(
            label=words("upload.name"),
            placeholder=words("upload.name_hint"),
            max_length=80,
            elem_id="name",
        )
        consent = gr.Checkbox(label=CONSENT_TEXT, elem_id="consent")
        exactly = html_place("exactly", _exactly(words))
        twin_consent = gr.Checkbox(label=TWIN_TEXT, elem_id="twin-consent")
        publish = gr.Checkbox(
            label=PUBLICATION_TEXT, elem_id="publish", visible=Settings().publishes
        )
        send = gr.Button(words("upload.send"), variant="primary", elem_id="send", interactive=False)
        missing = html_place("missing", elem_classes="note live")
    outcome = html_place("outcome")
    receipt = html_place("receipt", js_on_load=(STATIC / "keep.js").read_text())
    status = html_place("progress")
    another = gr.Button(words("upload.another"), elem_id="another", visible=False)
    timer = gr.Timer(active=False)
    forget = add_erasure_form(store)
    sendable = [send, missing]
    return UploadParts(
        session=session,
        here=here,
        ways=ways,
        message=message,
        faces=faces,
        name=name,
        consent=consent,
        twin_consent=twin_consent,
        publish=publish,
        send=send,
        outcome=outcome,
        another=another,
        timer=timer,
        said=[name, consent],
        found=[session, message, faces, note, outcome, *sendable],
        chosen=[session, note, outcome, *sendable],
        sendable=sendable,
        sent=[session, outcome, receipt, form, another, missing, timer],
        watched=[timer, status],
        labelled=[
            *(record_tab, guided_tab, clip_tab, photos_tab),
            *ways,
            *(name, consent, exactly, twin_consent, publish, send, another),
            *forget,
        ],
    )


def labels_of(words: Words) -> list[Any]:
    """The words of everything that has some, in a language."""
    part, *fields = erasure_labels(words)
    return [
        *(gr.Tab(label=words(f"upload.{way}")) for way in ("record", "guided", "clip", "photos")),
        recorder_view(words),
        camera_view(words),
        given_view(CLIP, words),
        given_view(PHOTOS, words),
        gr.Textbox(label=words("upload.name"), placeholder=words("upload.name_hint")),
        gr.Checkbox(label=words.said(CONSENT_TEXT)),
        _exactly(words),
        gr.Checkbox(label=words.said(TWIN_TEXT)),
        gr.Checkbox(label=words.said(PUBLICATION_TEXT)),
        gr.Button(words("upload.send")),
        gr.Button(words("upload.another")),
        gr.Accordion(label=part),
        *(gr.Textbox(label=one) for one in fields[:2]),
        gr.Button(fields[2]),
    ]


def _exactly(words: Words) -> str:
    return words.render("consent.html", details=CONSENT_DETAILS)
