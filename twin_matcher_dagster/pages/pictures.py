"""Pictures as pages show them."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup

from twin_matcher_dagster.api.answers import data_uri_of
from twin_matcher_dagster.media.images import encode_jpeg, read_image

QUALITY = 85
"""Of JPEG: a face takes 7 kB, half of what is stored, and a screen shows no difference."""


def data_uri(image: bytes) -> Markup:
    """An encoded picture, PNG or JPEG, inside a page."""
    # No escape is needed: base64, and a kind of our own.
    return Markup(data_uri_of(image))  # noqa: S704


@lru_cache(maxsize=1024)
def small(portrait: bytes) -> bytes:
    """A stored face crop in fewer bytes."""
    return encode_jpeg(read_image(portrait), QUALITY)
