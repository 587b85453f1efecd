"""Photos that the prediction page offers to try."""

from __future__ import annotations

from functools import lru_cache

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.media.photo_decoding import MAX_PHOTO_BYTES
from twin_matcher_dagster.media.photos import read_photo
from twin_matcher_dagster.settings import SAMPLE, Settings

EXAMPLES = 5
"""So many are offered."""

_OF_SAMPLE = ("keiko.jpg", "rafael.jpg", "amara.jpg", "teodor.jpg", "rory.jpg")
_SIDE = 128
_SHARE = 0.6


def example_photos() -> list[bytes]:
    """The photos of the folder ``EXAMPLES``, by name; by default people of the sample."""
    folder = Settings().examples
    paths = (
        sorted(path for path in folder.expanduser().iterdir() if path.is_file())
        if folder and folder.expanduser().is_dir()
        else [SAMPLE / "photos" / name for name in _OF_SAMPLE]
    )
    # No file is read that is too large to be a photo.
    found = [path.read_bytes() for path in paths if path.stat().st_size <= MAX_PHOTO_BYTES]
    return [photo for photo in found if example_thumbnail(photo)][:EXAMPLES]


@lru_cache(maxsize=64)
def example_thumbnail(photo: bytes) -> bytes:
    """A small square of a photo's middle, where its person is, JPEG; empty for what is no photo."""
    import cv2

    try:
        image = read_photo(photo)
    except MediaError:
        return b""
    height, width = image.shape[:2]
    side = round(_SHARE * min(height, width))
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    return encode_jpeg(cv2.resize(square, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), 85)
