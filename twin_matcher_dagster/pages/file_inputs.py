"""What a browser hands in, as our own readers take it.

Gradio's own preprocessing decodes a photo in the page, without limits: 177 megapixels in a PNG of
0.7 MB take 1.7 GB. These stand in for it: ``taken_by(given_photo, gr.Image())``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from gradio.components import Component

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.media.photo_decoding import MAX_PHOTO_BYTES

# A camera's frames come one by one, several a second, and no child is started for each: what takes
# more than a webcam's picture is not looked at.
_MAX_FRAME_BYTES = 4 * 2**20
_MAX_FRAME_PIXELS = 1920 * 1080

_Component = TypeVar("_Component", bound=Component)


def taken_by(reader: Callable[..., Any], component: _Component) -> _Component:
    """A component whose files are handed on by one of these readers.

    No event may have it for an output: Gradio makes outputs anew for a visitor, without the reader.
    """
    component.preprocess = reader
    return component


def given_photo(payload: Any) -> Path | bytes | None:
    """The file of a photo, or its bytes where the browser sent them in line."""
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        text = payload.url.partition(",")[2]
        try:
            return base64.b64decode(text[: 2 * MAX_PHOTO_BYTES])
        except binascii.Error:
            return b""
    return Path(payload.path) if payload.path else None


def visitor_photos(payload: Any) -> list[Path]:
    """The files of several photos; what they are is seen by their content."""
    return [Path(file.path) for file in (payload.root if payload else ())]


def given_frame(payload: Any) -> np.ndarray | None:
    """A frame of a running camera, uint8 RGB [height, width, 3]; None for what is no such frame."""
    photo = given_photo(payload)
    if photo is None:
        return None
    try:
        size = len(photo) if isinstance(photo, bytes) else photo.stat().st_size
        return read_image(photo, _MAX_FRAME_PIXELS) if size <= _MAX_FRAME_BYTES else None
    except (MediaError, OSError):
        return None


def video_path(payload: Any) -> str | None:
    """Path of a video as the browser sent it.

    Gradio's own preprocessing has an ffmpeg program take the sound out first: our reader does not
    look at sound, and the program need not be there.
    """
    return payload.path if payload else None
