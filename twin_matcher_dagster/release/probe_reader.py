"""A probe: one person who is asked about, from one photo or from several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import FaceError, NoFaceError
from twin_matcher_dagster.faces.advice import Hint, hints_of
from twin_matcher_dagster.faces.alignment import small_changes
from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.recogniser import Recogniser
from twin_matcher_dagster.faces.sameness import SAME_PERSON, Sameness
from twin_matcher_dagster.faces.single_face import FaceViews, PhotoOfSeveral, both_views
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.faces.tracking import TrackedFace, people_of
from twin_matcher_dagster.recognition.likeness_metric import robust_mean

MAX_PHOTOS = 8
"""Of more photos or frames so many are looked at, from the first to the last: the twins of two
halves of a clip agree (docs/measured.md)."""

# Crops, uint8 RGB [n, 160, 160, 3], to unit vectors, float32 [n, dimensions].
Network = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Probe:
    """What the networks say of one person. Nothing of it is kept.

    Attributes:
        face: uint8 RGB [160, 160, 3], the crop of the first photo.
        embedding: float32 [dimensions], unit vector of the fine-tuned network.
        vector: float32 [128], of the recogniser.
        likeness: float32 [128], of the likeness network.
        again: float32 [n, 128], the same as it could have been as well, see :func:`asked_again`.
        hints: what makes an answer less sure.
        faces: uint8 RGB [160, 160, 3] each, all that may be meant of one photo, the largest first.
        scene: where they are in it, if there are several.
        yaw: which way the head looks in the first photo, in degrees.
    """

    face: np.ndarray
    embedding: np.ndarray
    vector: np.ndarray
    likeness: np.ndarray
    again: np.ndarray
    hints: tuple[Hint, ...]
    faces: tuple[np.ndarray, ...]
    scene: PhotoOfSeveral | None
    yaw: float


class ProbeReader:
    """Looks at photos of one person with the networks of a release.

    Args:
        embedder: the fine-tuned network.
        recogniser: the one that the release was made with.
        sameness: how its vectors are compared.
    """

    def __init__(self, embedder: Network, recogniser: Recogniser, sameness: Sameness) -> None:
        self._embedder = embedder
        self._recogniser = recogniser
        self._sameness = sameness

    def is_one_person(self, one: Probe, other: Probe) -> bool:
        """Whether the recogniser takes both for one person."""
        return self._sameness.pair(one.vector, other.vector) >= SAME_PERSON

    def read(self, photos: Sequence[np.ndarray], chosen: int | None = None) -> Probe:
        """One person's probe. Photos without a face are left out, if others have one.

        Args:
            photos: uint8 RGB [height, width, 3] each, at least one.
            chosen: position of the face that is meant among those that one photo offers.

        Raises:
            SeveralFacesError: several in one photo, and none of them was chosen.
            FaceError: no face in any, or several people among them.
        """
        some = np.linspace(0, len(photos) - 1, min(len(photos), MAX_PHOTOS)).round().astype(int)
        views, missed = _found([photos[n] for n in some], chosen)
        vectors = by_photo(self._recogniser, views)
        kept = self._of_one_person(views, vectors)
        views = [views[n] for n in kept]
        likeness = by_photo(load_likeness_network(), views)
        reasons = [[fault.reason for fault in one.faults] for one in views]
        return Probe(
            views[0].crops[0],
            robust_mean(by_photo(self._embedder, views)),
            robust_mean(vectors[kept]),
            robust_mean(likeness),
            asked_again(views, likeness),
            hints_of([*reasons, *[["no face"]] * missed]),
            tuple(one.crops[0] for one in views[0].others) if len(photos) == 1 else (),
            views[0].scene if len(photos) == 1 else None,
            views[0].yaw,
        )

    def _of_one_person(self, views: Sequence[FaceViews], vectors: np.ndarray) -> list[int]:
        """Positions of the photos of the person who is in most of them.

        A face that cannot be recognised because the photo is bad is left out; a good one of
        somebody else is not.

        Raises:
            FaceError: there are several people.
        """
        faces = [
            TrackedFace(float(n), one.face, one.crops[0], one.size, vector=vectors[n])
            for n, one in enumerate(views)
        ]
        main, *others = people_of(
            [[face] for face in faces], self._recogniser, self._sameness, SAME_PERSON
        )
        kept = [int(one.time) for one in main.seen]
        if any(not views[int(one.time)].faults for person in others for one in person.seen):
            raise FaceError(refusals.SEVERAL_IN_PHOTOS(count=1 + len(others)))
        return kept


def _found(photos: Sequence[np.ndarray], chosen: int | None) -> tuple[list[FaceViews], int]:
    """The faces of photos, and how many photos have none.

    Raises:
        FaceError: none has a face, or one has several and none is chosen; or there are no photos.
    """
    if not photos:
        raise FaceError(refusals.NO_PHOTO())
    views: list[FaceViews] = []
    missing: list[NoFaceError] = []
    for photo in photos:
        try:
            views.append(both_views(photo, chosen))
        except NoFaceError as error:
            missing.append(error)
    if not views:
        raise missing[0]
    return views, len(missing)


def by_photo(network: Network, views: Sequence[FaceViews]) -> np.ndarray:
    """What a network says of each photo, the mean of its views: float32 [photos, dimensions].

    Args:
        network: from crops to unit vectors.
        views: of each photo.
    """
    vectors = network(np.stack([crop for one in views for crop in one.crops]))
    ends = np.cumsum([len(one.crops) for one in views])[:-1]
    return np.stack([template_of(part) for part in np.split(vectors, ends)])


def asked_again(views: Sequence[FaceViews], likeness: np.ndarray) -> np.ndarray:
    """Likeness of one person once more, as it could have been as well: float32 [n, 128].

    Of one photo, with its face cut out a little differently. Of several, of half of them: every
    other one, and the first and the second half.

    Args:
        views: of each photo.
        likeness: float32 [photos, 128] of them.
    """
    if len(views) > 1:
        middle = (len(views) + 1) // 2
        halves = (likeness[::2], likeness[1::2], likeness[:middle], likeness[middle:])
        return np.stack([robust_mean(half) for half in halves])
    crops = views[0].crops
    # All the same way round: one and the same change is another one in a mirror.
    upright = [
        crop if n == 0 else np.ascontiguousarray(crop[:, ::-1]) for n, crop in enumerate(crops)
    ]
    changed = [small_changes(crop) for crop in upright]
    vectors = load_likeness_network()(
        [crop for some in zip(*changed, strict=True) for crop in some]
    )
    return np.stack([template_of(part) for part in np.split(vectors, len(changed[0]))])
