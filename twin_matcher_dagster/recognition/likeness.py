"""Who looks like whom: likeness of a face with everybody, apart from who it is.

A vector of the likeness network is placed in a space of its own (``likeness_metric``). Of a small
gallery somebody would be the twin of everybody who is unlike the others; an offset keeps each one's
share of the cohort below a limit.

No sex, age or group is known to any of this: the metric needs identities, the rest anonymous faces.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from twin_matcher_dagster.recognition.gallery import metadata_of
from twin_matcher_dagster.recognition.likeness_metric import LikenessMetric

_FEWEST_PAIRS = 100
MAX_SHARE = 0.10
"""Of the cohort, whose twin one identity may be at most; in a gallery of n at least 2/n."""
SURE_LEAD = 0.04
"""Cosine by which a sure twin is ahead of the second. Of 1,200 photos of 600 strangers, with 18
celebrities, 45% have such a twin, and 79% of these are that of another photo too; of the others
46%. Without a lead it is 86% of the photos, and 66%; with 0.06 34%, and 84%."""
_STEPS = 3000
_QUANTILES = 1001
# Of more faces a part says how alike people are.
_MOST_FACES = 1000

MeasuredOn = Literal["cohort", "gallery"]


@dataclass(frozen=True)
class LikenessSpace:
    """What likeness is measured in, and where everybody of a gallery is.

    Attributes:
        identities: identity ids.
        templates: float32 [identities, dimensions], unit vectors in this space.
        centre: float32 [dimensions], the middle of the cohort.
        transform: float32 [dimensions, dimensions]: what a centred vector is multiplied with.
        offsets: float32 [identities], taken off the cosine.
        quantiles: float32 [1001], ascending: scores of pairs of two people.
        pairs: float32 [1001], ascending: cosines of a photo of each of two people.
        measured_on: whose pairs: ``cohort``, strangers with everybody, or ``gallery``, held-out
            photos of celebrities with the other ones.
        basis: fingerprint of network and cohort: places of another one are not comparable.
    """

    identities: Sequence[str]
    templates: np.ndarray
    centre: np.ndarray
    transform: np.ndarray
    offsets: np.ndarray
    quantiles: np.ndarray
    pairs: np.ndarray
    measured_on: MeasuredOn = "cohort"
    basis: str = ""

    @property
    def metric(self) -> LikenessMetric:
        """How vectors are compared in it."""
        return LikenessMetric(self.centre, self.transform)

    @cached_property
    def _columns(self) -> np.ndarray:
        """The templates, so that a few vectors meet many of them twice as fast."""
        return np.ascontiguousarray(self.templates.T)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """How alike faces are to everybody: float32 [n, identities], larger is more alike.

        Args:
            vectors: float32 [n, dimensions], of the likeness network.
        """
        return self.metric.place(vectors) @ self._columns - self.offsets

    def twins(
        self,
        vectors: np.ndarray,
        top: int,
        without: str | None = None,
        among: np.ndarray | None = None,
    ) -> tuple[list[tuple[str, float]], bool]:
        """Who is most alike, with their percentile, the most alike first; and whether that is sure:
        by all vectors the same one is first, by :data:`SURE_LEAD`.

        Args:
            vectors: float32 [n, dimensions], of the likeness network: a face, and then the same one
                as it could have been as well; n >= 1.
            top: how many.
            without: identity id of somebody who does not count.
            among: bool [identities], whom to name; who is ahead is asked of everybody.
        """
        scores = self.scores(vectors)
        others = scores.shape[1]
        if without is not None:
            scores[:, self.identities.index(without)] = -np.inf
            others -= 1
        named_by = scores[0] if among is None else np.where(among, scores[0], -np.inf)
        order = [n for n in _largest(named_by, min(top, others)) if named_by[n] > -np.inf]
        named = [(self.identities[n], self.percentile(float(scores[0, n]))) for n in order]
        if others < 2:
            return named, True
        firsts, each = scores.argmax(1), np.arange(len(scores))
        best = scores[each, firsts]
        scores[each, firsts] = -np.inf
        is_ahead = (best - scores.max(1) > SURE_LEAD).all()
        return named, bool((firsts == firsts[0]).all() and is_ahead)

    def percentile(self, score: float) -> float:
        """Share of pairs of two people that are less alike, 0 to 1."""
        return _share_below(self.quantiles, score)

    def pair_percentile(self, one: np.ndarray, other: np.ndarray) -> float:
        """Share of pairs of two people's photos that are less alike than two faces, 0 to 1.

        Args:
            one, other: float32 [dimensions], of the likeness network.
        """
        first, second = self.metric.place(np.stack([one, other]))
        return _share_below(self.pairs, float(first @ second))

    def measured(
        self, scores: np.ndarray, faces: np.ndarray, owners: Sequence[str], on: MeasuredOn
    ) -> LikenessSpace:
        """The same space with the percentiles of these people.

        Args:
            scores: float32 [n], of pairs of two people.
            faces: float32 [m, dimensions], of the likeness network.
            owners: whose each of them is.
            on: whose pairs these are.
        """
        chosen = np.linspace(0, len(faces) - 1, min(len(faces), _MOST_FACES)).round().astype(int)
        places, who = self.metric.place(faces[chosen]), np.array(owners)[chosen]
        pairs = (places @ places.T)[who[:, None] != who]
        return replace(self, quantiles=_quantiles(scores), pairs=_quantiles(pairs), measured_on=on)

    def without(self, identity_id: str) -> LikenessSpace:
        """The same space without one identity."""
        kept = [n for n, who in enumerate(self.identities) if who != identity_id]
        return replace(
            self,
            identities=[self.identities[n] for n in kept],
            templates=self.templates[kept],
            offsets=self.offsets[kept],
        )

    def to_bytes(self) -> bytes:
        """Encode as safetensors."""
        from safetensors.numpy import save

        names = ("templates", "centre", "transform", "offsets", "quantiles", "pairs")
        tensors = {name: np.ascontiguousarray(getattr(self, name), np.float32) for name in names}
        # One entry: safetensors writes several in any order, and equal spaces give equal bytes.
        about = {
            "identities": list(self.identities),
            "measured_on": self.measured_on,
            "basis": self.basis,
        }
        return save(tensors, metadata={"space": json.dumps(about)})

    @classmethod
    def from_bytes(cls, data: bytes) -> LikenessSpace:
        """Decode what :meth:`to_bytes` made."""
        from safetensors.numpy import load

        tensors = load(data)
        # The first files had none: pairs with somebody of the gallery stand for them.
        tensors.setdefault("pairs", tensors["quantiles"])
        return cls(**json.loads(metadata_of(data)["space"]), **tensors)


def likeness_in_words(percentile: float) -> str:
    """A likeness in words.

    Args:
        percentile: share of pairs of two people that are less alike, 0 to 1.
    """
    for least, words in ((0.99, "strikingly alike"), (0.95, "very alike"), (0.8, "alike")):
        if percentile >= least:
            return words
    return "a little alike"


def make_space(
    metric: LikenessMetric,
    templates: Mapping[str, np.ndarray],
    cohort: np.ndarray,
    held_out: Mapping[str, np.ndarray] | None = None,
    basis: str = "",
) -> LikenessSpace:
    """The space of a gallery.

    Args:
        metric: of :func:`fit_metric`.
        templates: identity id -> place, of :meth:`LikenessMetric.template`.
        cohort: float32 [m, dimensions] of strangers, of each two photos, one after the other.
        held_out: identity id -> float32 [n, dimensions], further photos of people of the gallery,
            whose pairs with the others give the percentiles where there are enough. The cohort does
            where they are rendered, and only there: rendered faces are alike in other ways, and 37%
            of the pairs of real strangers and celebrities were above its 95th percentile.
        basis: see :class:`LikenessSpace`.
    """
    space = LikenessSpace(
        list(templates),
        np.stack(list(templates.values())).astype(np.float32),
        metric.centre,
        metric.transform,
        np.zeros(len(templates), np.float32),
        np.zeros(_QUANTILES, np.float32),
        np.zeros(_QUANTILES, np.float32),
        basis=basis,
    )
    space = replace(
        space, offsets=_offsets(space.scores(cohort), max(MAX_SHARE, 2 / len(templates)))
    )
    held_out = held_out or {}
    others = [
        np.delete(space.scores(vectors), space.identities.index(who), axis=1).ravel()
        for who, vectors in held_out.items()
    ]
    if sum(map(len, others)) < _FEWEST_PAIRS or len(others) < 2:
        strangers = [str(n // 2) for n in range(len(cohort))]
        return space.measured(space.scores(cohort), cohort, strangers, "cohort")
    owners = [who for who, vectors in held_out.items() for _ in vectors]
    faces = np.concatenate(list(held_out.values()))
    return space.measured(np.concatenate(others), faces, owners, "gallery")


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the largest values, the largest first; of equal ones the earlier."""
    if not count:
        return np.arange(0)
    least = np.partition(values, len(values) - count)[len(values) - count]
    some = np.flatnonzero(values >= least)
    return some[np.argsort(-values[some], kind="stable")][:count]


def _quantiles(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, np.linspace(0, 1, _QUANTILES)).astype(np.float32)


def _share_below(quantiles: np.ndarray, value: float) -> float:
    """Share of values below one, 0 to 1, by evenly spaced quantiles of them."""
    below = np.searchsorted(quantiles, value, side="left")
    return float(below) / (len(quantiles) - 1) if below < len(quantiles) else 1.0


def _offsets(scores: np.ndarray, most: float) -> np.ndarray:
    """What to take off each identity's scores so that nobody is first for more than this share."""
    offsets = np.zeros(scores.shape[1])
    step = 0.02 * float(scores.std())
    for number in range(_STEPS):
        first = np.bincount((scores - offsets).argmax(1), minlength=len(offsets)) / len(scores)
        over = np.maximum(first - most, 0)
        if not over.any():
            break
        offsets += step * over / most * (1 - number / _STEPS)
    return offsets.astype(np.float32)
