"""Record or upload a clip, see the faces that were found, consent, and hand them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from apps.page import FORGET_AFTER_S, launch, open_store, problem, success
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.faces.clip import MIN_FACES, ClipFace, extract_faces
from twin_matcher_dagster.intake import CONSENT_TEXT, Consent, new_upload_id, submit
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore


@dataclass(frozen=True)
class Session:
    """What one person has done so far; gone when the page is closed.

    The upload id is made with the faces, so that sending again after a fault continues the same
    upload.
    """

    faces: tuple[ClipFace, ...]
    upload_id: str = field(default_factory=new_upload_id)


def as_sent(payload: FileData | None) -> str | None:
    """Path of a video as the browser sent it.

    Stands in for Gradio's own preprocessing, which has an ffmpeg program take the sound out first:
    our reader does not look at sound, and the program need not be there.
    """
    return payload.path if payload else None


def find_faces(clip: str | None, progress: Any) -> tuple[Session | None, list[Any], str]:
    """The faces of a clip: the session, the pictures to show, and a message."""
    if clip is None:
        return None, [], ""
    try:
        faces = extract_faces(
            Path(clip), lambda share: progress(share, desc="looking for your face")
        )
    except TwinMatcherError as error:
        return None, [], problem(str(error))
    left = min(face.yaw for face in faces)
    right = max(face.yaw for face in faces)
    message = success(
        f"{len(faces)} faces found, from {abs(left):.0f}° to one side to {abs(right):.0f}° to the "
        "other. If these are you, go on below."
    )
    return Session(tuple(faces)), [face.image for face in faces], message


def send(
    store: ObjectStore, session: Session | None, name: str, agreed: bool, progress: Any
) -> tuple[Session | None, str]:
    """Hand the faces in: what is left of the session, and a message."""
    if session is None:
        return None, problem(f"Record or upload a clip first; {MIN_FACES} faces are needed.")
    try:
        upload_id = submit(
            store,
            [face.image for face in session.faces],
            name or "",
            Consent.now() if agreed else None,
            session.upload_id,
            lambda share: progress(share, desc="sending"),
        )
    except TwinMatcherError as error:
        return session, problem(str(error))
    return None, success(
        "Thank you! Your faces are stored and the model is being taught. In a few minutes the "
        "prediction page knows you. Keep your upload id, to have your pictures taken out: "
        f"{upload_id}"
    )


def build(store: ObjectStore) -> gr.Blocks:
    """The page."""
    with gr.Blocks(
        title="Twin Matcher: add your face",
        analytics_enabled=False,
        delete_cache=(60, FORGET_AFTER_S),
    ) as page:
        session = gr.State(None, time_to_live=FORGET_AFTER_S)
        gr.Markdown("# Add your face")
        gr.Markdown(
            "Record 4 to 5 seconds in good light. Look at the camera, then turn your head slowly "
            "to one side and to the other.",
            elem_classes="lead",
        )
        clip = gr.Video(
            sources=["webcam", "upload"],
            label="Your clip",
            include_audio=False,
            elem_id="clip",
            height=360,
        )
        clip.preprocess = as_sent
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
        button = gr.Button("Send my faces", variant="primary", elem_id="send")
        outcome = gr.HTML(elem_id="outcome")

        def on_clip(path: str | None, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
            state, faces, message = find_faces(path, progress)
            return state, gr.Gallery(faces, visible=bool(faces)), message

        def on_send(
            state: Session | None,
            text: str,
            agreed: bool,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> Any:
            return send(store, state, text, agreed, progress)

        clip.change(on_clip, clip, [session, gallery, found], show_progress_on=found)
        button.click(
            on_send, [session, name, consent], [session, outcome], show_progress_on=outcome
        )
    return page


if __name__ == "__main__":
    launch(build(open_store()), Settings().upload_port)
