"""The nearest other visitor of each, kept up from release to release for the cost of who is new.

Compared are the places of two visitors in the likeness space of the release, by their cosine. Who
was compared before is compared with newcomers alone; who lost their twin, with everybody again.
Whoever the recogniser takes for the same person is nobody's twin, unless the operator
said that they are two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from twin_matcher_dagster.faces.sameness import Sameness, less_chance
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.records.twins import TwinPairs, Visitor
from twin_matcher_dagster.uploads.resemblance import KNOWN_PERSON

LEAST_LIKENESS = 0.99
"""Share of pairs of two people that are less alike than a visitor and their long-lost twin.

Of 524 strangers with two photos each (LFW, ``make bench-pairs``): of the nearest pairs above it by
the first photos 96% are alike by the second ones (from 0.80 on), and 75% very alike (from 0.95);
with 0.95 it is 92% and 71%, with 0.998 97% and 85%. Of 20 visitors 27% have somebody, of 50 53%, of
200 78%; with 0.998 9%, 19% and 43%.
"""
_AT_ONCE = 512


@dataclass(frozen=True)
class Places:
    """Where the visitors of a release are, by upload id.

    Attributes:
        space: the likeness space of the release.
        gallery: who is searched in it.
        sameness: how the recogniser's vectors are compared.
    """

    space: LikenessSpace
    gallery: Gallery
    sameness: Sameness

    @property
    def mark(self) -> str:
        """Identity of what is compared in: in another space nothing stands that was found."""
        tensors = (self.space.centre, self.space.transform)
        return fingerprint(self.space.basis, *(one.tobytes().hex() for one in tensors))

    def of(self, uploads: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors of likeness, float32 [n, dimensions], and of the recogniser, [n, 128]."""
        rows = {who: n for n, who in enumerate(self.space.identities)}
        known = {who: n for n, who in enumerate(self.gallery.identities)}
        who = [user_id(one) for one in uploads]
        return (
            self.space.templates[[rows[one] for one in who]],
            self.gallery.templates[[known[one] for one in who]],
        )


def next_pairs(
    before: TwinPairs | None,
    release: Manifest[Release],
    places: Places | None,
    agrees: Callable[[str], bool],
    withdrawn: Collection[str],
    first_seen: Mapping[str, int],
    are_two: Callable[[str, str], bool] = lambda one, other: False,
    tell: Callable[[int], None] = lambda compared: None,
) -> TwinPairs:
    """The pairs of a release, from those of an earlier one.

    Args:
        before: of the newest release for which there are some.
        release: whose pairs.
        places: where its visitors are; None for a release without likeness: nobody is alike.
        agrees: asked of each upload that was not there before.
        withdrawn: uploads whose person took the agreement back.
        first_seen: number of the first release of uploads that were not there before.
        are_two: whether two uploads that are taken for one person are of two.
        tell: called with the number of visitors that are compared with all others.
    """
    space = places.mark if places else ""
    known = before.visitors if before else {}
    visitors: dict[str, Visitor] = {}
    for who, shard in release.record.shards.items():
        found = known.get(who)
        if found is None:
            found = Visitor(first_seen.get(who, release.number), shard, agrees(who))
        if before and (found.shard != shard or before.space != space):
            found = replace(found, shard=shard).alone()
        if who in withdrawn:
            found = replace(found, agreed=False).alone()
        visitors[who] = found
    agreed = {who for who, one in visitors.items() if one.agreed}
    same = {who for who in agreed if who in known and known[who].shard == visitors[who].shard}
    for who, one in visitors.items():
        # Their twin left, took it back, or has other faces.
        if one.twin and one.twin not in same:
            visitors[who] = one.alone()
    if places:
        _compare(visitors, sorted(agreed), places, are_two, tell)
    return TwinPairs(
        fingerprint=TwinPairs.mark(release.number, visitors),
        release=release.number,
        space=space,
        limit=LEAST_LIKENESS,
        visitors=visitors,
    )


def _compare(
    visitors: dict[str, Visitor],
    everybody: list[str],
    places: Places,
    are_two: Callable[[str, str], bool],
    tell: Callable[[int], None],
) -> None:
    """Compare who is new with everybody, and put down whose twin is nearer than before."""
    new = [n for n, who in enumerate(everybody) if not visitors[who].compared]
    tell(len(new))
    if not new:
        return
    alike, faces = places.of(everybody)
    place = {who: n for n, who in enumerate(everybody)}
    twin = np.array([place.get(visitors[who].twin, -1) for who in everybody])
    nearest = np.where(twin < 0, -np.inf, (alike * alike[twin]).sum(1))
    for begin in range(0, len(new), _AT_ONCE):
        some = np.array(new[begin : begin + _AT_ONCE])
        scores = alike[some] @ alike.T
        scores[np.arange(len(some)), some] = -np.inf  # nobody is their own
        scores[scores < _least_score(places.space)] = -np.inf
        for row, column in _same_people(scores, faces, some, places.sameness):
            if not are_two(everybody[some[row]], everybody[column]):
                scores[row, column] = -np.inf
        best = scores.argmax(1)
        _take(twin, nearest, some, best, scores[np.arange(len(some)), best])
        _take(twin, nearest, np.arange(len(everybody)), some[scores.argmax(0)], scores.max(0))
    for n, who in enumerate(everybody):
        visitors[who] = replace(
            visitors[who],
            compared=True,
            twin=everybody[twin[n]] if twin[n] >= 0 else "",
            likeness=places.space.percentile(float(nearest[n])) if twin[n] >= 0 else 0.0,
        )


def _take(
    twin: np.ndarray, nearest: np.ndarray, rows: np.ndarray, other: np.ndarray, score: np.ndarray
) -> None:
    """Put others down as the twins of some, where they are nearer."""
    nearer = score > nearest[rows]
    twin[rows[nearer]], nearest[rows[nearer]] = other[nearer], score[nearer]


def _least_score(space: LikenessSpace) -> float:
    """The least score whose percentile is the limit."""
    below = round(LEAST_LIKENESS * (len(space.quantiles) - 1)) - 1
    return float(np.nextafter(space.quantiles[below], np.float32(np.inf)))


def _same_people(
    scores: np.ndarray, faces: np.ndarray, some: np.ndarray, sameness: Sameness
) -> np.ndarray:
    """Of those who are alike, rows and columns of who is taken for one person: int [n, 2].

    A person who handed in under two names is not their own twin.
    """
    rows, columns = np.nonzero(np.isfinite(scores))
    if not len(rows):
        return np.empty((0, 2), int)
    cosines = (faces[some[rows]] * faces[columns]).sum(1)
    asked, place = np.unique(np.concatenate([some[rows], columns]), return_inverse=True)
    shared = sameness.shared(faces[asked])[place]
    same = less_chance(cosines, shared[: len(rows)], shared[len(rows) :]) >= KNOWN_PERSON
    return np.stack([rows[same], columns[same]], 1)
