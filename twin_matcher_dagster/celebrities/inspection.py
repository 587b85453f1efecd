"""Look at every raw image once: find its face, align and describe it, see which are one photo."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin_matcher_dagster.celebrities.balancing import Candidate
from twin_matcher_dagster.celebrities.findings import NO_FACE, NO_LABEL, UNREADABLE, InspectedImage
from twin_matcher_dagster.dataset.identity import celebrity_id, tidy
from twin_matcher_dagster.dataset.schema import HELD_OUT, Face, RawFace
from twin_matcher_dagster.media.photos import PhotoReader
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER

# So many crops are decoded at a time; 8 MB.
_BATCH = 128


@dataclass(frozen=True)
class Inspection:
    """One raw image and what is in it.

    Attributes:
        seen: what cleaning needs to know of it.
        picture: JPEG bytes of the aligned 160 x 160 face; where there is none, of the whole image
            in that size; empty where it cannot be read.
        yaw, pitch, roll, quality: as in :class:`~twin_matcher_dagster.dataset.schema.Face`.
        thumbnail: float32 [48, 48] while photos are being compared, see ``faces.duplicate_photos``.
    """

    seen: InspectedImage
    picture: bytes = b""
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    quality: float = 0.0
    thumbnail: np.ndarray | None = None


def inspect(
    rows: Iterable[RawFace],
    recogniser: str = BUNDLED_RECOGNISER,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Inspection]:
    """Detect, align and embed; then group what is one photo.

    Args:
        rows: raw faces.
        recogniser: the reference recogniser's name.
        progress: called with the number of images that are done.

    Returns:
        One entry a row, in order.
    """
    looked: list[Inspection] = []
    batch: list[tuple[Inspection, np.ndarray | None]] = []
    with PhotoReader() as reader:
        for row in rows:
            batch.append(_find(row, reader))
            if len(batch) == _BATCH:
                looked += _embed(batch, recogniser)
                batch = []
                progress(len(looked))
    looked += _embed(batch, recogniser)
    progress(len(looked))
    return _grouped(looked)


def candidates(
    looked: Iterable[Inspection], some: Iterable[InspectedImage], clean: bool = True
) -> Iterator[Candidate]:
    """Faces under the names that curation left them; ``clean`` as in :class:`Candidate`."""
    about = {one.seen.image: one for one in looked}
    for seen in some:
        one = about[seen.image]
        yield Candidate(
            face=Face(
                image=one.picture,
                label=seen.label,
                identity_id=seen.identity_id,
                kind="celebrity",
                upload_id="",
                split="train",
                yaw=one.yaw,
                pitch=one.pitch,
                roll=one.roll,
                quality=one.quality,
            ),
            image=seen.image,
            photo=seen.photo,
            held_out=seen.split in HELD_OUT,
            clean=clean,
        )


def _find(row: RawFace, reader: PhotoReader) -> tuple[Inspection, np.ndarray | None]:
    """The largest face of an image, aligned; a small image is enlarged where none is found."""
    import cv2

    from twin_matcher_dagster.errors import MediaError
    from twin_matcher_dagster.faces.alignment import FACE_SIZE, align
    from twin_matcher_dagster.faces.detection import detect_faces
    from twin_matcher_dagster.faces.duplicate_photos import thumbnail
    from twin_matcher_dagster.faces.quality import measure
    from twin_matcher_dagster.faces.upright import upright_view
    from twin_matcher_dagster.media.images import encode_jpeg

    digest, label = hashlib.sha256(row.image).hexdigest(), tidy(row.label)
    seen = InspectedImage(digest, label, celebrity_id(label), row.split, file=row.file)
    if not label:
        return Inspection(replace(seen, trouble=NO_LABEL)), None
    try:
        view = upright_view(reader.read(row.image))
    except MediaError:
        return Inspection(replace(seen, trouble=UNREADABLE)), None
    pixels, found = view.image, view.faces
    enlarge = max(1.0, FACE_SIZE / min(pixels.shape[:2]))
    if not found and enlarge > 1:
        pixels = cv2.resize(pixels, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
        found = detect_faces(pixels)
    else:
        enlarge = 1.0
    if not found:
        whole = cv2.resize(pixels, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
        return Inspection(replace(seen, trouble=NO_FACE), picture=encode_jpeg(whole)), None
    crop = align(pixels, found[0].landmarks)
    measured = measure(crop, found[0], (pixels.shape[1], pixels.shape[0]))
    entry = Inspection(
        seen=replace(seen, size=measured.height / enlarge),
        picture=encode_jpeg(crop),
        yaw=measured.pose.yaw,
        pitch=measured.pose.pitch,
        roll=measured.pose.roll,
        quality=measured.sharpness,
        thumbnail=thumbnail(crop),
    )
    return entry, crop


def _embed(
    batch: Sequence[tuple[Inspection, np.ndarray | None]], recogniser: str
) -> list[Inspection]:
    from twin_matcher_dagster.faces.recogniser import load_recogniser

    vectors = iter(load_recogniser(recogniser)([crop for _, crop in batch if crop is not None]))
    return [
        entry if crop is None else replace(entry, seen=replace(entry.seen, vector=next(vectors)))
        for entry, crop in batch
    ]


def _grouped(looked: list[Inspection]) -> list[Inspection]:
    """Number the photos."""
    from twin_matcher_dagster.faces.duplicate_photos import same_photos

    shown = [
        (i, one.thumbnail, one.seen.vector)
        for i, one in enumerate(looked)
        if one.thumbnail is not None and one.seen.vector is not None
    ]
    if not shown:
        return looked
    with_face, thumbnails, vectors = zip(*shown, strict=True)
    photos = same_photos(np.stack(thumbnails), np.stack(vectors))
    grouped = list(looked)
    for i, number, likeness in zip(with_face, photos.numbers, photos.values, strict=True):
        seen = replace(looked[i].seen, photo=int(number), likeness=float(likeness))
        grouped[i] = replace(looked[i], seen=seen, thumbnail=None)
    return grouped
