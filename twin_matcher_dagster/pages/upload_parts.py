"""The components of the upload page, and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from twin_matcher_dagster.pages.camera_guide import Guide
from twin_matcher_dagster.pages.catalogue import Words, translations, words_in
from twin_matcher_dagster.pages.clip_preview import clip_input
from twin_matcher_dagster.pages.erasure_form import add_erasure_form, erasure_labels
from twin_matcher_dagster.pages.file_inputs import given_frame, taken_by, visitor_photos
from twin_matcher_dagster.pages.look import STATIC
from twin_matcher_dagster.pages.page import FORGET_AFTER_S, html_place
from twin_matcher_dagster.pages.recorder import clip_recorder, recorder_view
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
        session, guide, here: what the page knows, and its own address.
        recorded, clip, camera, photos: the ways in.
        ring, advice, finish, again: of the guided camera.
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
        labelled: everything that has words, in the order of :func:`labels_of`; but what files come
            by: an output of an event is made anew, without our reader (``file_inputs``).
    """

    session: gr.State
    guide: gr.State
    here: gr.Textbox
    recorded: gr.File
    clip: gr.Video
    camera: gr.Image
    photos: gr.File
    ring: gr.HTML
    advice: gr.HTML
    finish: gr.Button
    again: gr.Button
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
    words, said = words_in("en"), translations()
    session = gr.State(None, time_to_live=FORGET_AFTER_S)
    guide = gr.State(Guide, time_to_live=FORGET_AFTER_S)
    here = gr.Textbox(visible="hidden", elem_id="here")
    with gr.Column(elem_id="form") as form:
        with gr.Tabs(elem_id="ways"):
            with gr.Tab(words("upload.record"), id="record") as record_tab:
                recorder, recorded = clip_recorder()
            with gr.Tab(words("upload.guided"), id="guided") as guided_tab:
                ring = html_place("ring", Guide().ring(words))
                advice = html_place("advice", Guide().advice(words), elem_classes="advice live")
                camera = taken_by(
                    given_frame,
                    gr.Image(
                        sources=["webcam"],
                        streaming=True,
                        label=said("upload.camera_label"),
                        elem_id="camera",
                        height=360,
                    ),
                )
                with gr.Row():
                    finish = gr.Button(words("upload.finish"), elem_id="finish")
                    again = gr.Button(words("upload.again"), elem_id="again")
            with gr.Tab(words("upload.clip"), id="clip") as clip_tab:
                clip = clip_input(page, said("upload.clip_label"))
            with gr.Tab(words("upload.photos"), id="photos") as photos_tab:
                photos = taken_by(
                    visitor_photos,
                    gr.File(
                        file_count="multiple",
                        label=said("upload.photos_label"),
                        elem_id="photos",
                        height=200,
                    ),
                )
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
        guide=guide,
        here=here,
        recorded=recorded,
        clip=clip,
        camera=camera,
        photos=photos,
        ring=ring,
        advice=advice,
        finish=finish,
        again=again,
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
            *(recorder, ring, advice, finish, again),
            *(name, consent, exactly, twin_consent, publish, send, another),
            *forget,
        ],
    )


def labels_of(words: Words) -> list[Any]:
    """The words of everything that has some, in a language."""
    guide = Guide()
    part, *fields = erasure_labels(words)
    return [
        *(gr.Tab(label=words(f"upload.{way}")) for way in ("record", "guided", "clip", "photos")),
        recorder_view(words),
        guide.ring(words),
        guide.advice(words),
        gr.Button(words("upload.finish")),
        gr.Button(words("upload.again")),
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
