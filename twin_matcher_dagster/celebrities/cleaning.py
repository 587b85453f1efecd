"""What is wrong with a collection of images: every finding is data, with the value that decided.

Labels are judged by the distance to the robust centre of each identity, the way in which MS1MV2 was
made from MS-Celeb-1M (Deng et al. 2019, https://arxiv.org/abs/1801.07698, section 3.1). Confident
learning (cleanlab) finds wrong labels only where the right one is an identity of the set: of faces
of strangers it found at most 6% (docs/measured.md), and it needs scikit-learn and SciPy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress

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
from twin_matcher_dagster.celebrities.headcount import pairs_of_one_person
from twin_matcher_dagster.celebrities.namesakes import NAMESAKES, Namesakes
from twin_matcher_dagster.dataset.schema import HELD_OUT
from twin_matcher_dagster.faces.sameness import (
    ONE_PERSON,
    SAME_PERSON,
    Sameness,
    less_chance,
    load_sameness,
)
from twin_matcher_dagster.faces.templates import template_of


@dataclass(frozen=True)
class CleaningLimits:
    """What decides; the first four are of ``faces.sameness``.

    Attributes:
        same_person: a face that is further from its identity's centre is not this person: 0.2% of
            1,816 photos of 18 people are; 0.6% of pairs of a centre and a stranger are nearer.
        looks_like: a face that is nearer to another identity's centre is called by that one's name
            from here on; below it is a stranger.
        two_people: centres of two groups of one identity that are further apart are two people. Of
            33 real people the two most different groups, decades apart, turned or in the dark, are
            at 0.65 and above; the means of two people, 528 pairs, at 0.42 and below.
        one_person: centres of two identities that are nearer may be one person under two names.
        second_photos, second_share: so many photos, and such a share of the identity's, make a
            second person; fewer are label errors.
        undecided_photos, undecided_share: a second person of so many photos, and such a share,
            makes the identity wait: who is meant is not for the majority to say. A fifth, of which
            one photo in eight may be near nobody; of fewer photos than three one person of ten
            photos waits at times.
        same_photo: correlation above which two images are one photo (``faces.duplicate_photos``).
    """

    same_person: float = SAME_PERSON
    looks_like: float = 0.38
    two_people: float = 0.5
    one_person: float = ONE_PERSON
    second_photos: int = 5
    second_share: float = 0.05
    undecided_photos: int = 3
    undecided_share: float = 0.17
    same_photo: float = 0.97


def robust_centre(
    vectors: np.ndarray, sameness: Sameness, same_person: float = CleaningLimits.same_person
) -> np.ndarray:
    """The mean of the largest group of faces that are one person; a third may be others.

    It starts at the face with the most others near it and takes the mean of those near the mean,
    until they stay the same.

    Args:
        vectors: float32 [n, 128], unit vectors, n >= 1.
        sameness: how vectors are compared.
        same_person: sameness from which two are near.

    Returns:
        float32 [128], unit length.
    """
    near = sameness(vectors, vectors) > same_person
    inside = near[near.sum(1).argmax()]
    centre = vectors[0]
    for _ in range(10):
        centre = template_of(vectors[inside]) if inside.any() else centre
        now = sameness(vectors, centre[None])[:, 0] > same_person
        if (now == inside).all():
            break
        inside = now
    return centre


def second_person(vectors: np.ndarray, sameness: Sameness, limits: CleaningLimits) -> np.ndarray:
    """The smaller of two well-separated groups of faces: bool [n], all False where there is one.

    Args:
        vectors: float32 [n, 128], unit vectors of one identity.
        sameness: how they are compared.
        limits: what counts as well separated.
    """

    def centre(part: np.ndarray, same: float = limits.same_person) -> np.ndarray:
        return robust_centre(vectors[part], sameness, same)

    # Nearer than one person has to be: else the centre of two in equal parts lies between them.
    first = centre(np.ones(len(vectors), bool), limits.looks_like)
    apart = sameness(vectors, first[None])[:, 0] < limits.looks_like
    if not apart.any():
        return apart
    second = centre(apart)
    smaller = apart
    for _ in range(10):
        to_first, to_second = sameness(vectors, np.stack([first, second])).T
        smaller = (to_second > to_first) & (to_second > limits.same_person)
        if not smaller.any() or smaller.all():
            return np.zeros(len(vectors), bool)
        first, second = centre(~smaller), centre(smaller)
    photos, share = smaller.sum(), smaller.mean()
    enough = (photos >= limits.second_photos and share >= limits.second_share) or (
        photos >= limits.undecided_photos and share >= limits.undecided_share
    )
    two = enough and sameness.pair(first, second) < limits.two_people
    return smaller if two else np.zeros(len(vectors), bool)


def find_errors(
    seen: Sequence[InspectedImage],
    limits: CleaningLimits | None = None,
    kept: Collection[str] = (),
    sameness: Sameness | None = None,
) -> list[Finding]:
    """Everything that is wrong with a collection, one finding for an image at most.

    Args:
        seen: every image once a label: rows that repeat both are counted by the caller.
        limits: what decides.
        kept: SHA-256 of images that a person kept, see ``namesakes``.
        sameness: how vectors are compared; as those of the recogniser that ships.
    """
    limits = limits or CleaningLimits()
    found = [
        Finding(one.image, one.label, one.identity_id, one.trouble)
        for one in seen
        if one.vector is None
    ]
    usable = [one for one in seen if one.vector is not None]
    people = People.of(usable, limits, sameness or load_sameness(), kept)
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
        sameness: how vectors are compared.
    """

    centres: Mapping[str, np.ndarray]
    seconds: frozenset[tuple[str, str]]
    namesakes: Mapping[str, Namesakes]
    limits: CleaningLimits
    sameness: Sameness

    @classmethod
    def of(
        cls,
        usable: Sequence[InspectedImage],
        limits: CleaningLimits,
        sameness: Sameness,
        kept: Collection[str] = (),
    ) -> People:
        """Find everybody's centre; every photo counts once, however many copies there are."""
        centres: dict[str, np.ndarray] = {}
        seconds: set[tuple[str, str]] = set()
        namesakes: dict[str, Namesakes] = {}
        for who, images in _by_identity(usable).items():
            once = list({one.photo: one for one in reversed(images)}.values())
            vectors = np.stack([one.vector for one in once if one.vector is not None])
            smaller = second_person(vectors, sameness, limits)
            centres[who] = robust_centre(vectors[~smaller], sameness, limits.same_person)
            if smaller.mean() >= limits.undecided_share:
                other = robust_centre(vectors[smaller], sameness, limits.same_person)
                namesakes[who] = Namesakes.of(centres[who], other, images, kept)
                centres[who] = namesakes[who].centre
                continue
            photos = {one.photo for one, other in zip(once, smaller, strict=True) if other}
            seconds |= {(one.image, who) for one in images if one.photo in photos}
        return cls(centres, frozenset(seconds), namesakes, limits, sameness)

    def judge(self, one: InspectedImage) -> Finding | None:
        """Whether an image shows somebody else than its label says."""
        values = self.to_centres(one)
        own = values[one.identity_id]
        other = max(self._apart[one.identity_id], key=values.__getitem__, default="")
        value = values.get(other, -1.0)
        two = self.namesakes.get(one.identity_id)
        if two and not two.kept[group := two.group_of(one)]:
            limit, reason = self.limits.two_people, NAMESAKES[group]
            other = other if value >= self.limits.looks_like else ""
            alike = self.sameness.pair(*two.centres)
            return Finding(one.image, one.label, one.identity_id, reason, alike, limit, other)
        about = Finding(one.image, one.label, one.identity_id, "", own, self.limits.same_person)
        if value > own and value >= self.limits.looks_like:
            return replace(about, reason=LOOKS_LIKE, limit=value, other=other)
        if (one.image, one.identity_id) in self.seconds:
            return replace(about, reason=SECOND_PERSON, limit=self.limits.two_people)
        if own < self.limits.same_person or value > own:
            limit = max(self.limits.same_person, value)
            return replace(about, reason=ANOTHER_PERSON, limit=limit, other=other)
        return None

    def to_centres(self, one: InspectedImage) -> dict[str, float]:
        """Sameness of an image with everybody's centre, by identity id; where the own identity has
        two groups, with that of the nearer one."""
        centres, shared = self._stacked
        vector = np.asarray(one.vector)
        own = self.sameness.shared(vector[None])
        values = dict(zip(self.centres, less_chance(centres @ vector, own, shared), strict=True))
        two = self.namesakes.get(one.identity_id)
        if two:
            values[one.identity_id] = self.sameness.pair(vector, two.centres[two.group_of(one)])
        return values

    def one_person_twice(self) -> list[tuple[str, str, float]]:
        """Pairs of identities that may be one person under two names, for a person to decide."""
        return sorted(pairs_of_one_person(self.centres, self.sameness, self.limits.one_person))

    @cached_property
    def _stacked(self) -> tuple[np.ndarray, np.ndarray]:
        """All centres, and what each shares with strangers: images are many, these are few."""
        centres = np.stack(list(self.centres.values()))
        return centres, self.sameness.shared(centres)

    @cached_property
    def _apart(self) -> Mapping[str, list[str]]:
        """For each identity the others that are not the same person under another name."""
        names, (centres, _) = list(self.centres), self._stacked
        table = self.sameness(centres, centres) < self.limits.one_person
        return {
            who: [other for other in compress(names, apart) if other != who]
            for who, apart in zip(names, table, strict=True)
        }


def _duplicates(right: Sequence[InspectedImage], people: People) -> Iterator[Finding]:
    """All images of a photo but the best one; what a source holds out for tests comes first."""
    photos: dict[int, list[InspectedImage]] = {}
    for one in right:
        photos.setdefault(one.photo, []).append(one)

    def worth(one: InspectedImage) -> tuple[bool, float, float, str]:
        own = people.to_centres(one)[one.identity_id]
        return one.split not in HELD_OUT, -one.size, -own, one.image

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
