"""Photos as programs hand them in, and the one face of a photo as the networks see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.media.photos import PhotoReader

GivenPhoto = str | Path | bytes | Image.Image | np.ndarray
"""A file by its path, an encoded photo, a Pillow image, or uint8 RGB [height, width, 3]."""

GivenPhotos = GivenPhoto | Sequence[GivenPhoto]
"""One photo, or several of one person."""


def aligned_face(photo: GivenPhoto, face: int | None = None) -> Image.Image:
    """The face of a photo, in the one position that the networks know: RGB, 160 x 160 pixels.

    It is what a model of ``twin-matcher export model`` is asked about.

    Args:
        photo: of one person.
        face: which face is meant, of several, the largest first.

    Raises:
        MediaError: it is no photo, or cannot be read.
        FaceError: no face, several, or none of this number.
        ValueError: an array is of another form.
    """
    with PhotoReader() as reader:
        pixels = _pixels(photo, reader)
    return Image.fromarray(both_views(pixels, face).crops[0])


def given_pixels(given: GivenPhotos) -> np.ndarray | list[np.ndarray]:
    """Photos as uint8 RGB [height, width, 3]: one, or as many as were given.

    Raises:
        MediaError: one is no photo, or cannot be read.
        ValueError: an array is of another form.
    """
    with PhotoReader() as reader:
        if isinstance(given, Sequence) and not isinstance(given, str | bytes):
            return [_pixels(photo, reader) for photo in given]
        return _pixels(given, reader)


def _pixels(photo: GivenPhoto, reader: PhotoReader) -> np.ndarray:
    if isinstance(photo, str | Path):
        return reader.read(Path(photo).expanduser())
    if isinstance(photo, bytes):
        return reader.read(photo)
    if isinstance(photo, Image.Image):
        upright = ImageOps.exif_transpose(photo)
        return np.asarray(upright.convert("RGB"))
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise ValueError(
            f"A photo as an array is uint8 RGB [height, width, 3]; this one is {photo.dtype} "
            f"{list(photo.shape)}. Convert it."
        )
    return photo
