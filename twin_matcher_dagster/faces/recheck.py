"""Judge crops that claim to be one person's faces. They came from outside: nothing is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.faces.alignment import FACE_SIZE
from twin_matcher_dagster.faces.coverage import Coverage, coverage_of, looks_planar
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.pose import pose_of
from twin_matcher_dagster.faces.quality import (
    Accepted,
    Duplicates,
    FaceVerdict,
    Measures,
    Rejected,
    count_rejected,
    judge,
    measure,
)
from twin_matcher_dagster.faces.sameness import SAME_PERSON, Sameness
from twin_matcher_dagster.faces.scaling import shrink
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.faces.tracking import Embed
from twin_matcher_dagster.media.photos import PhotoReader

MAX_BELOW = 0.38
"""How far below the median a face of the same person may be in its sameness with the mean face: 99%
of single photos of 18 real people were less than 0.375 below, faces of one clip less than 0.16."""


@dataclass(frozen=True)
class Recheck:
    """What is left of a set of crops.

    Attributes:
        kept: positions of the good ones, in order.
        pixels: the good ones, uint8 RGB [160, 160, 3] each.
        measures: of the good ones, in order.
        refused: those that can be shown but are not good, in order, likewise.
        verdicts: on every crop, in order.
        template: mean vector of the good ones, float32 [128]; zeros where there is none.
        vectors: of the good ones and of those that were left out as another person's, in order:
            float32 [n, 128].
        coverage: how far the head turned.
        flat: whether the faces move like a flat picture; a hint, see ``coverage.looks_planar``.
    """

    kept: Sequence[int]
    pixels: Sequence[np.ndarray]
    measures: Sequence[Measures]
    refused: Sequence[np.ndarray]
    verdicts: Sequence[FaceVerdict]
    template: np.ndarray
    vectors: np.ndarray
    coverage: Coverage
    flat: bool

    def left_out(self) -> dict[str, int]:
        """How many crops were left out, by reason."""
        return count_rejected(self.verdicts)


def recheck(
    encoded: Sequence[bytes],
    embed: Embed,
    sameness: Sameness,
    progress: Callable[[float], None] = lambda share: None,
) -> Recheck:
    """Decode, find the face again, judge, and see that all are one person.

    Args:
        encoded: PNG or JPEG bytes of 160 x 160 crops.
        embed: the reference recogniser.
        sameness: how its vectors are compared.
        progress: called with the share that is done, 0 to 1.
    """
    verdicts: list[FaceVerdict] = []
    crops: dict[int, np.ndarray] = {}
    refused: dict[int, np.ndarray] = {}
    landmarks: dict[int, np.ndarray] = {}
    measures: dict[int, Measures] = {}
    duplicates = Duplicates()
    for index, (first, crop, face) in enumerate(_judged(encoded)):
        progress(0.8 * index / len(encoded))
        is_good = isinstance(first, Accepted) and crop is not None
        verdict = duplicates.judge(crop) if is_good else first
        if isinstance(verdict, Accepted) and crop is not None and face is not None:
            crops[index], landmarks[index] = crop, face.landmarks
            measures[index] = measure(crop, face, (FACE_SIZE, FACE_SIZE))
        elif crop is not None:
            refused[index] = crop
        verdicts.append(verdict)
    vectors = dict(zip(crops, embed(list(crops.values())), strict=True))
    for index, verdict in _strangers(vectors, sameness).items():
        verdicts[index] = verdict
        refused[index] = crops[index]
    kept = [index for index, verdict in enumerate(verdicts) if isinstance(verdict, Accepted)]
    good = np.stack([vectors[index] for index in kept]) if kept else np.zeros((1, 128), np.float32)
    progress(1.0)
    return Recheck(
        kept=kept,
        pixels=[crops[index] for index in kept],
        measures=[measures[index] for index in kept],
        refused=[refused[index] for index in sorted(refused)],
        verdicts=verdicts,
        template=template_of(good),
        vectors=np.stack(list(vectors.values())) if vectors else good[:0],
        coverage=coverage_of([pose_of(landmarks[index]).yaw for index in kept]),
        flat=looks_planar([landmarks[index] for index in kept]),
    )


def _strangers(vectors: Mapping[int, np.ndarray], sameness: Sameness) -> dict[int, Rejected]:
    """Faces that are much less like the mean face than the others are: somebody else's."""
    if not vectors:
        return {}
    stacked = np.stack(list(vectors.values()))
    alike = sameness(stacked, template_of(stacked)[None])[:, 0]
    threshold = max(SAME_PERSON, float(np.median(alike)) - MAX_BELOW)
    return {
        index: Rejected("another person", float(value), threshold)
        for index, value in zip(vectors, alike, strict=True)
        if value < threshold
    }


_Judged = tuple[FaceVerdict, np.ndarray | None, Detection | None]


def _judged(encoded: Sequence[bytes]) -> Iterator[_Judged]:
    """Verdict, crop and face of each."""
    with PhotoReader() as reader:
        for data in encoded:
            yield _judge_one(reader, data)


def _judge_one(reader: PhotoReader, data: bytes) -> _Judged:
    """Verdict, crop and face of one encoded crop."""
    try:
        crop = reader.read(data)
    except MediaError:
        return Rejected("unreadable", 0, 1), None, None
    if crop.shape[:2] != (FACE_SIZE, FACE_SIZE):
        shown = shrink(crop, FACE_SIZE, FACE_SIZE)
        return Rejected("another size", max(crop.shape[:2]), FACE_SIZE), shown, None
    found = detect_faces(crop)
    if len(found) != 1:
        return Rejected("not one face", len(found), 1), crop, None
    verdict = judge(measure(crop, found[0], (FACE_SIZE, FACE_SIZE)))
    return verdict, crop, found[0]
