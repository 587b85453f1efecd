"""One face out of one photo: the probe's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.errors import FaceError, NoFaceError
from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.quality import Rejected, faults_of, measure

# A second face counts when it is at least this high, relative to the first: two people who pose
# together are about equal, somebody in the background is much smaller.
RIVAL_HEIGHT = 0.5


@dataclass(frozen=True)
class FaceViews:
    """The one face of a photo.

    Attributes:
        crops: uint8 RGB [160, 160, 3] each, aligned: of the photo and of the mirrored photo; one
            alone where the detector finds the face in one of them only.
        face: where it is in the photo, or in the mirrored one where it is found there alone.
        size: width and height of the photo in pixels.
        faults: the quality limits that the face breaks; a probe is answered nevertheless.
    """

    crops: Sequence[np.ndarray]
    face: Detection
    size: tuple[int, int]
    faults: Sequence[Rejected]


def rivals(faces: list[Detection]) -> list[Detection]:
    """The faces, of a list with the largest first, that rival the first one in size."""
    return [face for face in faces[1:] if face.height >= RIVAL_HEIGHT * faces[0].height]


def both_views(image: np.ndarray) -> FaceViews:
    """The face of a photo, and the face of the mirrored photo, each found and aligned by itself.

    The detector does not see the same landmarks in a mirror, and now and then not the same faces.
    Both photos are treated alike: whichever of the two was handed in, the answer is the same.

    Args:
        image: uint8 RGB [height, width, 3].

    Raises:
        NoFaceError: there is none in either.
        FaceError: there are several of about the same size in one of them.
    """
    size = image.shape[1], image.shape[0]
    images = (image, np.ascontiguousarray(image[:, ::-1]))
    seen = [
        (one, found) for one, found in zip(images, map(detect_faces, images), strict=True) if found
    ]
    if not seen:
        raise NoFaceError(
            "No face was found. Use a photo in which the face is well lit, looks roughly at the "
            "camera and is not covered."
        )
    count = max(1 + len(rivals(found)) for _, found in seen)
    if len(seen) == 2 and not _same_place(seen[0][1][0], seen[1][1][0], size[0]):
        count = max(2, count)
    if count > 1:
        raise FaceError(
            f"Several faces were found ({count}). Use a photo of one person, or cut it so that "
            "only one face is left."
        )
    crops = [align(one, found[0].landmarks) for one, found in seen]
    face = seen[0][1][0]
    return FaceViews(crops, face, size, faults_of(measure(crops[0], face, size)))


def _same_place(face: Detection, mirrored: Detection, width: int) -> bool:
    """Whether a face and one of the mirrored photo are at the same place, within half a face."""
    (x, y), (other, v) = face.centre, mirrored.centre
    return float(np.hypot(width - other - x, v - y)) < 0.5 * max(face.height, mirrored.height)
