"""Photos the right way up: by the faces in them, where no camera said how it was held."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import log

import numpy as np

from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.direction import turned
from twin_matcher_dagster.faces.pose import pose_of

# Longer sides in which faces are searched, in pixels, each where the one before shows none: a face
# 48 pixels high, the least that is good, is found in a photo of 16 megapixels in the last.
_SIDES = (640, 1280, 2560)
# All four directions are tried up to this side: a photo of 16 megapixels without a face takes 3.5
# seconds of one core, and would take 5 with the next.
_TURNED_UP_TO = 640
# A face that is upright breaks one of these in 6% of 486 photos of real people (most of those have
# 64 pixels); one that lies or stands on its head keeps them all in 0.5%. Angles in degrees.
_SURE_SCORE = 0.995
_MOST_YAW, _MOST_ROLL, _MOST_DOWN, _MOST_UP = 60, 45, 20, 40
# Less than this may be no face at all: a larger view is looked at too. Half of what the detector
# finds on the wrong side of a photo is above.
_ENOUGH = log(0.95 / 0.05)


@dataclass(frozen=True)
class View:
    """A photo, turned, and its faces.

    Attributes:
        image: uint8 RGB [height, width, 3].
        faces: in its pixels, the largest first.
    """

    image: np.ndarray
    faces: Sequence[Detection]


def upright_view(image: np.ndarray) -> View:
    """A photo the right way up; as it is where it shows no face either way.

    Args:
        image: uint8 RGB [height, width, 3].
    """
    return upright_views([image])[0]


def upright_views(images: Sequence[np.ndarray]) -> list[View]:
    """A photo, or a photo and its mirror image, the right way up.

    Both are treated alike: a photo and its mirror image are turned likewise, whichever comes first.
    One look is enough for a photo with an upright face; it takes four where the face is in doubt.

    Args:
        images: uint8 RGB [height, width, 3], one or two.
    """
    largest = max(images[0].shape[:2])
    best = [View(image, []) for image in images]
    for side in _SIDES:
        found = [_seen(images, 0, side)]
        if not _is_sure(found[0]) and side <= _TURNED_UP_TO:
            found += [_seen(images, turns, side) for turns in (1, 2, 3)]
        best = max([best, *found], key=_trust)
        if _trust(best) > _ENOUGH or side >= largest:
            break
    return best


def _seen(images: Sequence[np.ndarray], turns: int, side: int) -> list[View]:
    """The faces after so many quarter turns to the left; of a mirror image, to the right."""
    ways = (turns, -turns)
    lying = [turned(image, way) for image, way in zip(images, ways, strict=False)]
    with ThreadPoolExecutor(len(lying)) as pool:  # a core each, see ``onnx_session``
        return list(pool.map(lambda image: View(image, detect_faces(image, side)), lying))


def _is_sure(views: Sequence[View]) -> bool:
    """Whether a face is upright beyond doubt, wherever one is found."""
    faces = [view.faces[0] for view in views if view.faces]
    return bool(faces) and all(face.score > _SURE_SCORE and not _is_odd(face) for face in faces)


def _trust(views: Sequence[View]) -> float:
    """How much speaks for this way up: what the detector is surest of, in logits.

    Of 486 photos of real people with a face it is highest the right way up, in all of them; a face
    that lies on its side after all is worth less than any that does not.
    """
    faces = [view.faces[0] for view in views if view.faces]
    worth = (
        log(face.score / max(1 - face.score, 1e-7)) - 100 * (_roll(face) > _MOST_ROLL)
        for face in faces
    )
    return max(worth, default=-np.inf)


def _is_odd(face: Detection) -> bool:
    pose = pose_of(face.landmarks)
    is_tilted = not -_MOST_DOWN <= pose.pitch <= _MOST_UP
    return is_tilted or abs(pose.yaw) > _MOST_YAW or _roll(face) > _MOST_ROLL


def _roll(face: Detection) -> float:
    return abs(pose_of(face.landmarks).roll)
