"""What an upload shows by itself, and whom its face is like."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.errors import MediaError, UploadError
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster.uploads.manifest import (
    UploadManifest,
    get_faces,
    get_manifest,
    readable_faces,
)
from twin_matcher_dagster.uploads.resemblance import Resemblance, resembling
from twin_matcher_dagster.uploads.submission import clean_name

if TYPE_CHECKING:
    from twin_matcher_dagster.faces.quality import Measures
    from twin_matcher_dagster.faces.recheck import Recheck

SHOWN = 24
"""Pictures that an operator is shown at most."""


@dataclass(frozen=True)
class Examined:
    """What an upload shows by itself.

    Attributes:
        name: display name.
        crops: PNG bytes of the good crops, and what was measured on each.
        found: the crops, judged again; None if the upload is not whole.
        reasons: why it is refused.
        hints: what a person may want to look into.
        publication: whether its person agreed to being published.
        shown: pictures for whoever looks into it, uint8 RGB [160, 160, 3]: of a refused upload all
            that can be decoded, of another one the good ones.
    """

    name: str
    crops: tuple[tuple[bytes, "Measures"], ...]
    found: "Recheck | None"
    reasons: tuple[str, ...]
    hints: tuple[str, ...] = ()
    publication: bool = False
    shown: Sequence[np.ndarray] = ()


@dataclass(frozen=True)
class Likeness:
    """Whom an upload's face is like.

    Attributes:
        nearest: the known person it resembles most; of those it must not be, if there are any.
        flagged: identity ids of those, and what a person is asked to look into.
    """

    nearest: Resemblance | None = None
    flagged: Mapping[str, str] = field(default_factory=dict)


def examine(
    store: ObjectStore, upload_id: str, recogniser: str, progress: Callable[[float], None]
) -> Examined:
    """Read an upload, and find the face in each of its crops again."""
    from twin_matcher_dagster.faces.clip import MAX_FACES, MIN_FACES, spread
    from twin_matcher_dagster.faces.recheck import recheck
    from twin_matcher_dagster.faces.recogniser import load_recogniser

    try:
        manifest = get_manifest(store, upload_id)
        name = clean_name(manifest.name)
    except UploadError as error:
        return Examined("", (), None, (str(error),))
    try:
        encoded = list(get_faces(store, manifest))
    except UploadError as error:
        return Examined(name, (), None, (str(error),), shown=_decoded(store, manifest))
    found = recheck(encoded, load_recogniser(recogniser), progress)
    # No more than the page gives: spread over what came.
    chosen = spread(len(found.kept), MAX_FACES)
    good = tuple((encoded[found.kept[i]], found.measures[i]) for i in chosen)
    if len(good) < MIN_FACES:
        left_out = ", ".join(f"{count} {reason}" for reason, count in found.left_out().items())
        reason = f"{len(good)} of {len(encoded)} crops can be used, {MIN_FACES} are needed"
        reason = f"{reason} ({left_out})" if left_out else reason
        return Examined(name, good, found, (reason,), shown=found.pixels)
    hints = _hints(manifest, found)
    return Examined(name, good, found, (), hints, manifest.publication, found.pixels)


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


def compare(examined: Examined, known: KnownPeople) -> Likeness:
    """Look an upload's face up among everyone known."""
    if examined.reasons or examined.found is None:
        return Likeness()
    alike = resembling(examined.found.template, known.templates())
    flagged = [one for one in alike if _is_another(known, examined.name, one)][:3]
    return Likeness(
        (flagged or alike or [None])[0],
        {one.identity_id: _flag(one, known.shown(one.identity_id)) for one in flagged},
    )


def _is_another(known: KnownPeople, name: str, nearest: Resemblance) -> bool:
    """The same face under another name is for a person to decide, and never merged.

    So is that of a celebrity under any name, and of an upload that is not accepted itself: nobody
    gets past a review by sending the same again.
    """
    if not nearest.same or not known.is_accepted(nearest.identity_id):
        return nearest.same
    return tidy(known.name(nearest.identity_id)).casefold() != tidy(name).casefold()


def _flag(nearest: Resemblance, other: str) -> str:
    return (
        f"the face looks like {other} ({nearest.identity_id}): similarity "
        f"{nearest.similarity:.2f}, limit {nearest.threshold:.2f}"
    )


def _hints(manifest: UploadManifest, found: "Recheck") -> tuple[str, ...]:
    """What the page noticed, which is not trusted, and what is noticed here."""
    hints = [f"noticed by the upload page: {_printable(hint)}" for hint in manifest.hints[:5]]
    if found.flat:
        hints.append("the faces move like a flat picture: it may be a photo held to the camera")
    return (*hints, *found.coverage.missing)


def _printable(text: str) -> str:
    """At most 200 characters of a text from outside, in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:200]).split())
