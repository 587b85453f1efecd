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
    Sameness,
    less_chance,
    load_sameness,
)
from twin_matcher_dagster.faces.second_person import (
    SecondPersonLimits,
    robust_centre,
    second_person,
)


@dataclass(frozen=True)
class CleaningLimits(SecondPersonLimits):
    """What decides besides; all but ``same_photo`` are of ``faces.sameness``, or of photos.

    Attributes:
        one_person: centres of two identities that are nearer may be one person under two names.
        same_photo: correlation above which two images are one photo (``faces.duplicate_photos``).
    """

    one_person: float = ONE_PERSON
    same_photo: float = 0.97


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
