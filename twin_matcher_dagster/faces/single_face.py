"""One face out of one photo: the probe's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import FaceError, NoFaceError
from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import Detection
from twin_matcher_dagster.faces.pose import pose_of
from twin_matcher_dagster.faces.quality import Rejected, faults_of, measure
from twin_matcher_dagster.faces.scaling import shrink
from twin_matcher_dagster.faces.upright import View, upright_views

# A second face counts when it is at least this high, relative to the first: two people who pose
# together are about equal, somebody in the background is much smaller.
RIVAL_HEIGHT = 0.5

SCENE_SIDE = 720
"""Longer side of a photo in which somebody chooses a face, in pixels, at most."""


@dataclass(frozen=True)
class PhotoOfSeveral:
    """A photo of several people, as they are chosen from.

    Attributes:
        photo: uint8 RGB [height, width, 3], the right way up, at most :data:`SCENE_SIDE` long.
        boxes: left, top, width and height of each face, as shares of the photo, 0 to 1.
    """

    photo: np.ndarray
    boxes: Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True)
class FaceViews:
    """The one face of a photo.

    Attributes:
        crops: uint8 RGB [160, 160, 3] each, aligned: of the photo and of the mirrored photo; one
            alone where the detector finds the face in one of them only.
        face: where it is in the photo, or in the mirrored one where it is found there alone.
        size: width and height of the photo in pixels.
        faults: the quality limits that the face breaks; a probe is answered nevertheless.
        is_mirrored: whether ``face`` is where it is in the mirrored photo.
        others: all faces of the photo that may be meant, this one too, the largest first.
        scene: the photo with all of them, where there are several.
    """

    crops: Sequence[np.ndarray]
    face: Detection
    size: tuple[int, int]
    faults: Sequence[Rejected]
    is_mirrored: bool = False
    others: Sequence[FaceViews] = ()
    scene: PhotoOfSeveral | None = None

    @property
    def yaw(self) -> float:
        """Which way the head looks in the photo, in degrees, see ``pose.Pose``."""
        yaw = pose_of(self.face.landmarks).yaw
        return -yaw if self.is_mirrored else yaw


class SeveralFacesError(FaceError):
    """A photo shows several faces that may be meant.

    Attributes:
        offered: they, the largest first, to choose from.
        scene: where they are.
    """

    def __init__(self, why: str, offered: Sequence[FaceViews], scene: PhotoOfSeveral) -> None:
        super().__init__(why)
        self.offered = tuple(offered)
        self.scene = scene


def rivals(faces: Sequence[Detection]) -> list[Detection]:
    """The faces, of a list with the largest first, that rival the first one in size."""
    return [face for face in faces[1:] if face.height >= RIVAL_HEIGHT * faces[0].height]


def both_views(image: np.ndarray, chosen: int | None = None) -> FaceViews:
    """The face of a photo, and the face of the mirrored photo, each found and aligned by itself.

    The detector does not see the same landmarks in a mirror, and now and then not the same faces.
    Both photos are treated alike: whichever of the two was handed in, the answer is the same.

    Args:
        image: uint8 RGB [height, width, 3].
        chosen: position among ``offered`` of the face that is meant; by default the largest, if it
            has no rival.

    Raises:
        NoFaceError: there is none in either.
        SeveralFacesError: there are several of about the same size in one of them.
        FaceError: there is no face of this number.
    """
    seen = upright_views([image, np.ascontiguousarray(image[:, ::-1])])
    if not any(view.faces for view in seen):
        raise NoFaceError(refusals.PHOTO_WITHOUT_FACE())
    offered = _offered(seen)
    if chosen is None:
        count = _rivalling(seen)
        if count > 1:
            why = refusals.PHOTO_OF_SEVERAL(count=count)
            raise SeveralFacesError(why, offered, _scene(seen[0].image, offered))
        chosen = 0
    if not 0 <= chosen < len(offered):
        why = refusals.PHOTO_WITHOUT_CHOICE(face=chosen + 1, count=len(offered))
        raise FaceError(why)
    scene = _scene(seen[0].image, offered) if len(offered) > 1 else None
    return replace(offered[chosen], others=tuple(offered), scene=scene)


def _scene(photo: np.ndarray, offered: Sequence[FaceViews]) -> PhotoOfSeveral:
    height, width = photo.shape[:2]
    scale = min(1.0, SCENE_SIDE / max(height, width))
    small = shrink(photo, max(1, round(width * scale)), max(1, round(height * scale)))
    return PhotoOfSeveral(small, [_box(one, width, height) for one in offered])


def _box(view: FaceViews, width: int, height: int) -> tuple[float, float, float, float]:
    face = view.face
    left = width - face.x - face.width if view.is_mirrored else face.x
    return left / width, face.y / height, face.width / width, face.height / height


def _rivalling(seen: Sequence[View]) -> int:
    """How many faces there are of about the size of the largest, in the photo or in its mirror."""
    with_face = [view for view in seen if view.faces]
    count = max(1 + len(rivals(view.faces)) for view in with_face)
    if len(with_face) == 2 and not _same_place(seen[0].faces[0], seen[1].faces[0], _width(seen[0])):
        count = max(2, count)
    return count


def _offered(seen: Sequence[View]) -> list[FaceViews]:
    """The faces that may be meant, the largest first: the largest, its rivals, and good ones.

    Each with what the mirror shows at its place. A face that the mirror alone shows counts too.
    """
    photo, mirror = seen
    width = _width(photo)
    pairs: list[tuple[Detection | None, Detection | None]] = []
    left = list(mirror.faces)
    for face in photo.faces:
        twin = next((one for one in left if _same_place(face, one, width)), None)
        left = [one for one in left if one is not twin]
        pairs.append((face, twin))
    pairs += [(None, one) for one in left]
    pairs.sort(key=lambda pair: -max(face.height for face in pair if face))
    views = [_views(photo, mirror, pair) for pair in pairs]
    least = RIVAL_HEIGHT * views[0].face.height
    return [
        one for n, one in enumerate(views) if n == 0 or one.face.height >= least or not one.faults
    ]


def _views(photo: View, mirror: View, pair: tuple[Detection | None, Detection | None]) -> FaceViews:
    """Crops and faults of one face, by where it is in the photo and in the mirrored photo."""
    found = [(view.image, face) for view, face in zip((photo, mirror), pair, strict=True) if face]
    crops = [align(image, face.landmarks) for image, face in found]
    face, size = found[0][1], (_width(photo), photo.image.shape[0])
    faults = faults_of(measure(crops[0], face, size))
    return FaceViews(crops, face, size, faults, is_mirrored=pair[0] is None)


def _width(view: View) -> int:
    return view.image.shape[1]


def _same_place(face: Detection, mirrored: Detection, width: int) -> bool:
    """Whether a face and one of the mirrored photo are at the same place, within half a face."""
    (x, y), (other, v) = face.centre, mirrored.centre
    return float(np.hypot(width - other - x, v - y)) < 0.5 * max(face.height, mirrored.height)
