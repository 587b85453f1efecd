"""Do faces that are said to be one person's show two?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.faces.sameness import SAME_PERSON, Sameness
from twin_matcher_dagster.faces.templates import template_of


@dataclass(frozen=True)
class SecondPersonLimits:
    """What makes a second person; the first three are of ``faces.sameness``.

    Attributes:
        same_person: a face that is further from its identity's centre is not this person: 0.2% of
            1,816 photos of 18 people are; 0.6% of pairs of a centre and a stranger are nearer.
        looks_like: a face that is nearer to another identity's centre is called by that one's name
            from here on; below it is a stranger.
        two_people: centres of two groups of one identity that are further apart are two people. Of
            33 real people the two most different groups, decades apart, turned or in the dark, are
            at 0.65 and above; the means of two people, 528 pairs, at 0.42 and below.
        second_photos, second_share: so many photos, and such a share of the identity's, make a
            second person; fewer are label errors.
        undecided_photos, undecided_share: a second person of so many photos, and such a share,
            makes the identity wait: who is meant is not for the majority to say. A fifth, of which
            one photo in eight may be near nobody; of fewer photos than three one person of ten
            photos waits at times.
    """

    same_person: float = SAME_PERSON
    looks_like: float = 0.38
    two_people: float = 0.5
    second_photos: int = 5
    second_share: float = 0.05
    undecided_photos: int = 3
    undecided_share: float = 0.17


def robust_centre(
    vectors: np.ndarray, sameness: Sameness, same_person: float = SAME_PERSON
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


def second_person(
    vectors: np.ndarray, sameness: Sameness, limits: SecondPersonLimits | None = None
) -> np.ndarray:
    """The smaller of two well-separated groups of faces: bool [n], all False where there is one.

    Args:
        vectors: float32 [n, 128], unit vectors of one identity.
        sameness: how they are compared.
        limits: what counts as well separated; the usual ones by default.
    """

    limits = limits or SecondPersonLimits()

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
