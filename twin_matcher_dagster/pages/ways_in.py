"""The ways to hand a face in: recorded, with a guide, a clip or photos that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from starlette.routing import Route

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.faces.clip import extract_faces
from twin_matcher_dagster.faces.photo_set import NamedPhoto, extract_from_photos
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.video import MAX_FRAMES
from twin_matcher_dagster.pages.camera_guide import Guide
from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.pages.found_faces import NOTHING, Found, report_faces
from twin_matcher_dagster.pages.guided_camera import GuidedCameras
from twin_matcher_dagster.pages.lanes import Lane
from twin_matcher_dagster.pages.look import script
from twin_matcher_dagster.pages.page import html_place
from twin_matcher_dagster.pages.visitor_clips import VisitorClips
from twin_matcher_dagster.pages.visitor_photos import VisitorPhotos
from twin_matcher_dagster.settings import Settings

CLIP, PHOTOS = "clip", "photos"
_CAMERAS = 2
"""Frames that are looked at at a time: each takes 20 to 40 ms of a core."""


def camera_view(words: Words) -> str:
    """The guided camera, as HTML."""
    guide = Guide()
    texts = {name: words(f"recorder.{name}") for name in ("refused", "busy", "missing", "insecure")}
    texts |= {"start": words("guide.start"), "stop": words("guide.stop")}
    texts["dropped"] = words("hand.dropped")
    ring, advice = guide.ring(words), guide.advice(words)
    return words.render("camera.html", ring=ring, advice=advice, texts=texts)


def given_view(kind: str, words: Words) -> str:
    """Where a clip or photos are chosen, as HTML."""
    texts = {name: words(f"hand.{name}") for name in ("sending", "looking", "dropped")}
    most = 1 if kind == CLIP else MAX_FRAMES
    return words.render("given.html", kind=kind, most=most, texts=texts)


def guided_camera(words: Words) -> gr.HTML:
    """The guided camera, within a page."""
    return html_place("camera", camera_view(words), js_on_load=script("hand.js", "camera.js"))


def given_files(kind: str, words: Words) -> gr.HTML:
    """Where a clip or photos are chosen, within a page."""
    return html_place(kind, given_view(kind, words), js_on_load=script("hand.js", "given.js"))


class WaysIn:
    """Finds the faces in what was handed over.

    Args:
        clips: where clips are.
        photos: where photos are.
        cameras: where the frames of cameras are.
    """

    def __init__(self, clips: VisitorClips, photos: VisitorPhotos, cameras: GuidedCameras) -> None:
        self._clips, self._photos, self._cameras = clips, photos, cameras

    @classmethod
    def new(cls) -> WaysIn:
        """With nothing handed over yet."""
        return cls(VisitorClips(), VisitorPhotos(), GuidedCameras(Lane("camera", _CAMERAS)))

    def routes(self, prefix: str = "") -> list[Route]:
        """Where a page hands things over.

        Args:
            prefix: path of the page.
        """
        return [given.route(prefix) for given in (self._clips, self._photos, self._cameras)]

    def found(self, said: Mapping[str, Any], words: Words, cancellation: Cancellation) -> Found:
        """The faces of what a browser says it handed over, which may be anything.

        Nothing of it is kept but the crops that the visitor is shown.

        Args:
            said: a token of a clip, tokens and names of photos, or the token of a guide.
            words: the visitor's language.
            cancellation: of the request.
        """
        if "again" in said:
            self._cameras.forget(said["again"])
            return NOTHING
        return report_faces(lambda: self._report(said, cancellation), words)

    def _report(self, said: Mapping[str, Any], cancellation: Cancellation) -> Any:
        recogniser = Settings().recogniser
        if "guide" in said:
            report = self._cameras.guide(said["guide"]).finish()
            self._cameras.forget(said["guide"])
            return report
        if CLIP in said:
            with self._clips.clip(said[CLIP]) as clip:
                return extract_faces(clip, recogniser=recogniser, cancellation=cancellation)
        tokens, photos = self._named(said)
        try:
            return extract_from_photos(photos, recogniser=recogniser, cancellation=cancellation)
        finally:
            self._photos.forget(tokens)

    def _named(self, said: Mapping[str, Any]) -> tuple[list[str], list[NamedPhoto]]:
        """The photos that were named, and their tokens.

        Raises:
            MediaError: one is not there any more, there are too many, or none.
        """
        given, count = said.get(PHOTOS), said.get("count")
        if isinstance(count, int) and count > MAX_FRAMES:
            raise MediaError(refusals.TOO_MANY_PHOTOS(count=count, limit=MAX_FRAMES))
        if not isinstance(given, list) or not 0 < len(given) <= MAX_FRAMES:
            raise MediaError(refusals.NO_PHOTO())
        if not all(isinstance(one, dict) for one in given):
            raise MediaError(refusals.NO_PHOTO())
        tokens = [str(one.get("token")) for one in given]
        names = [str(one.get("name"))[:200] for one in given]
        data = self._photos.photos(tokens)
        return tokens, [NamedPhoto(*one) for one in zip(names, data, strict=True)]
