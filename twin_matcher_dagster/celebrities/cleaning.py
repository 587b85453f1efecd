"""What is wrong with a collection of images: every finding is data, with the value that decided.

Labels are judged by the distance to the robust centre of each identity, the way in which MS1MV2 was
made from MS-Celeb-1M (Deng et al. 2019, https://arxiv.org/abs/1801.07698, section 3.1). Confident
learning (cleanlab) finds wrong labels only where the right one is an identity of the set: of faces
of strangers it found at most 6% (docs/measured.md), and it needs scikit-learn and SciPy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin_matcher_dagster.celebrities.findings import (
    ANOTHER_PERSON,
    LOOKS_LIKE,
    NEAR_DUPLICATE,
    SAME_IMAGE,
    SECOND_PERSON,
    Finding,
    InspectedImage,
)
from twin_matcher_dagster.celebrities.namesakes import NAMESAKES, Namesakes


@dataclass(frozen=True)
class CleaningLimits:
    """What decides; cosines of the reference recogniser.

    Attributes:
        same_person: a face that is further from its identity's centre is not this person.
        looks_like: a face that is nearer to another identity's centre is called by that one's name
            from here on; below it is a stranger.
        two_people: centres of two groups of one identity that are further apart are two people. Of
            33 real people the two most different groups, decades apart, turned or in the dark, are
            at 0.73 and above; the means of two people, 528 pairs, at 0.56 and below.
        one_person: centres of two identities that are nearer may be one person under two names;
            rendered people who are not reach 0.82.
        second_photos, second_share: so many photos, and such a share of the identity's, make a
            second person; fewer are label errors.
        undecided_photos, undecided_share: a second person of so many photos, and such a share,
            makes the identity wait: who is meant is not for the majority to say. A fifth, of which
            one photo in eight may be near nobody; of fewer photos than three one person of ten
            photos waits at times.
        same_photo: correlation above which two images are one photo (``faces.duplicate_photos``).
    """

    same_person: float = 0.363
    looks_like: float = 0.5
    two_people: float = 0.6
    one_person: float = 0.85
    second_photos: int = 5
    second_share: float = 0.05
    undecided_photos: int = 3
    undecided_share: float = 0.17
    same_photo: float = 0.97


def robust_centre(
    vectors: np.ndarray, same_person: float = CleaningLimits.same_person
) -> np.ndarray:
    """The mean of the largest group of faces that are one person; a third may be others.

    It starts at the face with the most others near it and takes the mean of those near the mean,
    until they stay the same.

    Args:
        vectors: float32 [n, 128], unit vectors, n >= 1.
        same_person: cosine from which two are near.

    Returns:
        float32 [128], unit length.
    """
    near = vectors @ vectors.T > same_person
    inside = near[near.sum(1).argmax()]
    centre = vectors[0]
    for _ in range(10):
        centre = _unit(vectors[inside].mean(0) if inside.any() else centre)
        now = vectors @ centre > same_person
        if (now == inside).all():
            break
        inside = now
    return centre


def second_person(vectors: np.ndarray, limits: CleaningLimits) -> np.ndarray:
    """The smaller of two well-separated groups of faces: bool [n], all False where there is one.

    Args:
        vectors: float32 [n, 128], unit vectors of one identity.
        limits: what counts as well separated.
    """
    # Nearer than one person has to be: else the centre of two in equal parts lies between them.
    first = robust_centre(vectors, limits.looks_like)
    apart = vectors @ first < limits.looks_like
    if not apart.any():
        return apart
    second = robust_centre(vectors[apart], limits.same_person)
    smaller = apart
    for _ in range(10):
        smaller = (vectors @ second > vectors @ first) & (vectors @ second > limits.same_person)
        if not smaller.any() or smaller.all():
            return np.zeros(len(vectors), bool)
        first, second = (
            robust_centre(vectors[part], limits.same_person) for part in (~smaller, smaller)
        )
    photos, share = smaller.sum(), smaller.mean()
    enough = (photos >= limits.second_photos and share >= limits.second_share) or (
        photos >= limits.undecided_photos and share >= limits.undecided_share
    )
    two = enough and first @ second < limits.two_people
    return smaller if two else np.zeros(len(vectors), bool)


def find_errors(
    seen: Sequence[InspectedImage],
    limits: CleaningLimits | None = None,
    kept: Collection[str] = (),
) -> list[Finding]:
    """Everything that is wrong with a collection, one finding for an image at most.

    Args:
        seen: every image once a label: rows that repeat both are counted by the caller.
        limits: what decides.
        kept: SHA-256 of images that a person kept, see ``namesakes``.
    """
    limits = limits or CleaningLimits()
    found = [
        Finding(one.image, one.label, one.identity_id, one.trouble)
        for one in seen
        if one.vector is None
    ]
    usable = [one for one in seen if one.vector is not None]
    people = People.of(usable, limits, kept)
    wrong = [finding for one in usable if (finding := people.judge(one)) is not None]
    out = {(finding.image, finding.identity_id) for finding in wrong}
    right = [one for one in usable if (one.image, one.identity_id) not in out]
    return [*found, *wrong, *_duplicates(right, people)]


@dataclass(frozen=True)
class People:
    """What everybody of a collection looks like.

    Attributes:
        centres: float32 [128] by identity id.
        seconds: images, with identity ids, of a second person under one name.
        namesakes: by identity id, of whom a person has to say, or said, which of two is meant.
        limits: what decides.
    """

    centres: Mapping[str, np.ndarray]
    seconds: frozenset[tuple[str, str]]
    namesakes: Mapping[str, Namesakes]
    limits: CleaningLimits

    @classmethod
    def of(
        cls,
        usable: Sequence[InspectedImage],
        limits: CleaningLimits,
        kept: Collection[str] = (),
    ) -> People:
        """Find everybody's centre; every photo counts once, however many copies there are."""
        centres: dict[str, np.ndarray] = {}
        seconds: set[tuple[str, str]] = set()
        namesakes: dict[str, Namesakes] = {}
        for who, images in _by_identity(usable).items():
            once = list({one.photo: one for one in reversed(images)}.values())
            vectors = np.stack([one.vector for one in once if one.vector is not None])
            smaller = second_person(vectors, limits)
            centres[who] = robust_centre(vectors[~smaller], limits.same_person)
            if smaller.mean() >= limits.undecided_share:
                other = robust_centre(vectors[smaller], limits.same_person)
                namesakes[who] = Namesakes.of(centres[who], other, images, kept)
                centres[who] = namesakes[who].centre
                continue
            photos = {one.photo for one, other in zip(once, smaller, strict=True) if other}
            seconds |= {(one.image, who) for one in images if one.photo in photos}
        return cls(centres, frozenset(seconds), namesakes, limits)

    def judge(self, one: InspectedImage) -> Finding | None:
        """Whether an image shows somebody else than its label says."""
        own = self.own_cosine(one)
        other, value = self._nearest_other(one)
        two = self.namesakes.get(one.identity_id)
        if two and not two.kept[group := two.group_of(one)]:
            limit, reason = self.limits.two_people, NAMESAKES[group]
            other = other if value >= self.limits.looks_like else ""
            return Finding(one.image, one.label, one.identity_id, reason, two.cosine, limit, other)
        about = Finding(one.image, one.label, one.identity_id, "", own, self.limits.same_person)
        if value > own and value >= self.limits.looks_like:
            return replace(about, reason=LOOKS_LIKE, limit=value, other=other)
        if (one.image, one.identity_id) in self.seconds:
            return replace(about, reason=SECOND_PERSON, limit=self.limits.two_people)
        if own < self.limits.same_person or value > own:
            limit = max(self.limits.same_person, value)
            return replace(about, reason=ANOTHER_PERSON, limit=limit, other=other)
        return None

    def own_cosine(self, one: InspectedImage) -> float:
        """With the centre of the own identity; where that has two groups, of the nearer one."""
        two = self.namesakes.get(one.identity_id)
        centre = two.centres[two.group_of(one)] if two else self.centres[one.identity_id]
        return float(one.vector @ centre)

    def one_person_twice(self) -> list[tuple[str, str, float]]:
        """Pairs of identities that may be one person under two names, for a person to decide."""
        names = sorted(self.centres)
        return [
            (one, other, float(self.centres[one] @ self.centres[other]))
            for index, one in enumerate(names)
            for other in names[index + 1 :]
            if self.centres[one] @ self.centres[other] >= self.limits.one_person
        ]

    def _nearest_other(self, one: InspectedImage) -> tuple[str, float]:
        """The other identity whose centre is nearest; one that may be the same person is none."""
        own = self.centres[one.identity_id]
        best, value = "", -1.0
        for who, centre in self.centres.items():
            if who != one.identity_id and own @ centre < self.limits.one_person:
                cosine = float(one.vector @ centre)
                if cosine > value:
                    best, value = who, cosine
        return best, value


def _duplicates(right: Sequence[InspectedImage], people: People) -> Iterator[Finding]:
    """All images of a photo but the best one; what a source holds out for tests comes first."""
    photos: dict[int, list[InspectedImage]] = {}
    for one in right:
        photos.setdefault(one.photo, []).append(one)

    def worth(one: InspectedImage) -> tuple[bool, float, float, str]:
        own = people.own_cosine(one)
        return one.split != "test", -one.size, -own, one.image

    for copies in photos.values():
        best, *rest = sorted(copies, key=worth)
        for one in rest:
            yield Finding(
                one.image,
                one.label,
                one.identity_id,
                SAME_IMAGE if one.image == best.image else NEAR_DUPLICATE,
                one.likeness,
                people.limits.same_photo,
                best.identity_id if best.identity_id != one.identity_id else "",
                best.image,
            )


def _by_identity(seen: Sequence[InspectedImage]) -> dict[str, list[InspectedImage]]:
    groups: dict[str, list[InspectedImage]] = {}
    for one in seen:
        groups.setdefault(one.identity_id, []).append(one)
    return groups


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
