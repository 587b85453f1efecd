"""The answers for Gradio's own clients, and for models that use tools (MCP): JSON in and out.

A photo comes in line, as base64: a file would be kept in the page's temporary folder for a while.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.api.answers import MOST_TWINS, as_json
from twin_matcher_dagster.api.problems import problem_of
from twin_matcher_dagster.errors import MediaError, TwinMatcherError
from twin_matcher_dagster.media.photo_decoding import check_bytes
from twin_matcher_dagster.media.photos import read_photo
from twin_matcher_dagster.release.answers import Answer, FaceChoice, PairAnswer
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.tally import counting
from twin_matcher_dagster.release.twin_finder import TwinFinder

_DOOR = "tool"


class Tools:
    """What ``gr.api`` takes as endpoints; their docstrings are what a model reads.

    Args:
        production: the releases that answer.
    """

    def __init__(self, production: Production) -> None:
        self._production = production

    def find_twins(self, photo: str, top: int = 3, face: int = -1) -> dict[str, Any]:
        """Say who looks like the one person in a photo: celebrities, and visitors who agreed.

        The photo is looked at and forgotten. Of a stranger it is never said who they are.

        Args:
            photo: the encoded photo (JPEG, PNG, WebP, HEIC) as base64, or as a data URI
            top: how many look-alikes, at most 50
            face: which face is meant where an answer offered several, from 0; else -1
        """
        chosen = None if face < 0 else face
        return self._answer(
            "twins",
            [photo],
            lambda finder, pixels: finder.ask(pixels[0], chosen, max(1, min(top, MOST_TWINS))),
        )

    def compare_faces(self, one: str, other: str) -> dict[str, Any]:
        """Say how alike the people in two photos look, as a percentile of pairs of people.

        Args:
            one: the encoded photo of one person as base64, or as a data URI
            other: the photo of the other person, likewise
        """
        return self._answer("compare", [one, other], lambda finder, two: finder.compare(*two))

    def _answer(
        self,
        question: str,
        photos: list[str],
        ask: Callable[[TwinFinder, list[np.ndarray]], Answer | FaceChoice | PairAnswer],
    ) -> dict[str, Any]:
        """An answer as JSON; what goes wrong is told by ``reason`` and ``detail``."""
        try:
            with counting(_DOOR, question) as count:
                pixels = [read_photo(_bytes_of(photo)) for photo in photos]
                answer = ask(self._production.finder(), pixels)
                count(answer)
        except TwinMatcherError as error:
            problem = problem_of(error)
            return {"reason": problem.reason, "detail": problem.detail}
        return as_json(answer, None)


def _bytes_of(photo: str) -> bytes:
    """An encoded photo that came in line.

    Raises:
        MediaError: it is no base64, or too large.
    """
    text = photo.partition(",")[2] if photo.startswith("data:") else photo
    check_bytes(len(text) * 3 // 4)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise MediaError(refusals.PHOTO_OF_UNKNOWN_KIND()) from error
