"""What an upload shows by itself: its crops judged again, because they came from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from twin_matcher_dagster.errors import MediaError, UploadError
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.manifest import (
    UploadManifest,
    get_faces,
    get_manifest,
    readable_faces,
)
from twin_matcher_dagster.uploads.mixtures import mixed
from twin_matcher_dagster.uploads.not_taken import too_few_crops
from twin_matcher_dagster.uploads.submission import clean_name

if TYPE_CHECKING:
    from twin_matcher_dagster.faces.quality import Measures
    from twin_matcher_dagster.faces.recheck import Recheck

SHOWN = 24
"""Pictures that an operator is shown at most."""


@dataclass(frozen=True)
class Examination:
    """What an upload shows by itself.

    Attributes:
        name: display name.
        crops: PNG bytes of the good crops, and what was measured on each.
        found: the crops, judged again; None if the upload is not whole.
        reasons: why it is refused.
        flags: what a person has to look into.
        hints: what a person may want to look into.
        publication: whether its person agreed to being published.
        shown: pictures for whoever looks into it, uint8 RGB [160, 160, 3]: of a refused upload all
            that can be decoded, of another one the good ones.
    """

    name: str
    crops: tuple[tuple[bytes, Measures], ...]
    found: Recheck | None
    reasons: tuple[str, ...]
    flags: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    publication: bool = False
    shown: Sequence[np.ndarray] = ()


def examine(
    store: ObjectStore, upload_id: str, recogniser: str, progress: Callable[[float], None]
) -> Examination:
    """Read an upload, and find the face in each of its crops again."""
    from twin_matcher_dagster.faces.clip import MAX_FACES, MIN_FACES, spread
    from twin_matcher_dagster.faces.recheck import recheck
    from twin_matcher_dagster.faces.recogniser import load_recogniser
    from twin_matcher_dagster.faces.sameness import load_sameness

    try:
        manifest = get_manifest(store, upload_id)
        name = clean_name(manifest.name)
    except UploadError as error:
        return Examination("", (), None, (str(error),))
    try:
        encoded = list(get_faces(store, manifest))
    except UploadError as error:
        return Examination(name, (), None, (str(error),), shown=_decoded(store, manifest))
    sameness = load_sameness(recogniser)
    found = recheck(encoded, load_recogniser(recogniser), sameness, progress)
    # No more than the page gives: spread over what came.
    chosen = spread(len(found.kept), MAX_FACES)
    good = tuple((encoded[found.kept[i]], found.measures[i]) for i in chosen)
    if len(good) < MIN_FACES:
        reason = too_few_crops(len(good), len(encoded), MIN_FACES, found.left_out())
        return Examination(name, good, found, (reason,), shown=found.pixels)
    return Examination(
        name=name,
        crops=good,
        found=found,
        reasons=(),
        flags=mixed(found.vectors, sameness),
        hints=_hints(manifest, found),
        publication=manifest.publication,
        shown=found.pixels,
    )


def _decoded(store: ObjectStore, manifest: UploadManifest) -> list[np.ndarray]:
    """Some pictures of an upload that is not whole."""
    from twin_matcher_dagster.faces.alignment import FACE_SIZE
    from twin_matcher_dagster.faces.scaling import shrink
    from twin_matcher_dagster.media.images import read_image

    pictures = []
    for data in islice(readable_faces(store, manifest), SHOWN):
        with suppress(MediaError):
            pictures.append(shrink(read_image(data), FACE_SIZE, FACE_SIZE))
    return pictures


def _hints(manifest: UploadManifest, found: Recheck) -> tuple[str, ...]:
    """What the page noticed, which is not trusted, and what is noticed here."""
    hints = [f"noticed by the upload page: {_printable(hint)}" for hint in manifest.hints[:5]]
    if found.flat:
        hints.append("the faces move like a flat picture: it may be a photo held to the camera")
    return (*hints, *found.coverage.missing)


def _printable(text: str) -> str:
    """At most 200 characters of a text from outside, in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:200]).split())
