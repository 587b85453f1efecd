"""Who looks like whom: likeness of a face with everybody, apart from who it is.

A vector of the likeness network is seen from the middle of everybody: of a cohort of strangers, and
of the gallery where that are photos. It is measured by what tells one person from another rather
than one photo from another: the metric is the inverse of the covariance within people (whitening
before linear discriminants, Fukunaga 1990, ch. 10; within-class covariance normalisation, Hatch et
al. 2006). Of a small gallery somebody would be the twin of everybody who is unlike the others; an
offset keeps each one's share of the cohort below a limit.

No sex, age or group is known to any of this: the metric needs identities, the rest anonymous faces.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.gallery import metadata_of

# Of the mean variance, added to the covariance within people: 0.03 to 1 gave the same twins.
SHRINKAGE = 0.3
# With few photos a person the covariance is hardly known.
_FEW_PHOTOS, _FEW_SHRINKAGE, _LEAST_PHOTOS = 20, 1.0, 3
# So many real people of a gallery count as much as the cohort for the middle: rendered faces have
# another one. With 4 to 15 of 18 celebrities, twelve draws each, 2 to 5% of the pairs with 1,600
# strangers were then above the 95th percentile; from the cohort's middle alone 0.9 to 2.4, from the
# gallery's alone 4 to 24.
_AS_GOOD_AS_THE_COHORT = 8
_FEWEST_PAIRS = 100
MAX_SHARE = 0.10
"""Of the cohort, whose twin one identity may be at most; in a gallery of n at least 2/n."""
_STEPS = 3000
_QUANTILES = 1001

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
    measured_on: MeasuredOn = "cohort"
    basis: str = ""

    @property
    def metric(self) -> LikenessMetric:
        """How vectors are compared in it."""
        return LikenessMetric(self.centre, self.transform)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """How alike faces are to everybody: float32 [n, identities], larger is more alike.

        Args:
            vectors: float32 [n, dimensions], of the likeness network.
        """
        return self.metric.place(vectors) @ self.templates.T - self.offsets

    def ranked(self, vector: np.ndarray) -> list[tuple[str, float]]:
        """Everybody, the most alike first, with their percentile.

        Args:
            vector: float32 [dimensions], of the likeness network.
        """
        scores = self.scores(vector[None])[0]
        order = np.argsort(-scores, kind="stable")
        return [(self.identities[n], self.percentile(float(scores[n]))) for n in order]

    def percentile(self, score: float) -> float:
        """Share of pairs of two people that are less alike, 0 to 1."""
        below = np.searchsorted(self.quantiles, score, side="left")
        return float(below) / (len(self.quantiles) - 1) if below < len(self.quantiles) else 1.0

    def measured(self, scores: np.ndarray, on: MeasuredOn) -> LikenessSpace:
        """The same space with the percentiles of these scores of pairs of two people."""
        quantiles = np.quantile(scores, np.linspace(0, 1, _QUANTILES)).astype(np.float32)
        return replace(self, quantiles=quantiles, measured_on=on)

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

        names = ("templates", "centre", "transform", "offsets", "quantiles")
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

        return cls(**json.loads(metadata_of(data)["space"]), **load(data))


@dataclass(frozen=True)
class LikenessMetric:
    """How vectors of the likeness network are compared; see :class:`LikenessSpace`."""

    centre: np.ndarray
    transform: np.ndarray

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors of the network in the space of this metric: [n, dimensions], unit length."""
        return _unit((_unit(vectors) - self.centre) @ self.transform.T)

    def template(self, vectors: np.ndarray) -> np.ndarray:
        """One person's place: float32 [dimensions], from [n, dimensions] of their faces."""
        return self.place(_robust_mean(vectors)[None])[0].astype(np.float32)


def likeness_in_words(percentile: float) -> str:
    """A likeness in words.

    Args:
        percentile: share of pairs of two people that are less alike, 0 to 1.
    """
    for least, words in ((0.99, "strikingly alike"), (0.95, "very alike"), (0.8, "alike")):
        if percentile >= least:
            return words
    return "a little alike"


def fit_metric(cohort: np.ndarray, people: Sequence[np.ndarray] = ()) -> LikenessMetric:
    """The metric of a gallery.

    Args:
        cohort: float32 [m, dimensions] of strangers.
        people: vectors of one real person's photos each, float32 [n, dimensions], of many days.
            Rendered people, and one clip, would say that light is likeness; without any the metric
            is Euclid's, seen from the middle of the cohort.

    Raises:
        TrainingError: there is no cohort.
    """
    if not len(cohort):
        raise TrainingError("Likeness cannot be measured without a cohort of strangers.")
    means = [_unit(one.astype(np.float64)).mean(0) for one in people]
    of_cohort = _unit(cohort.astype(np.float64)).mean(0)
    centre = np.sum([_AS_GOOD_AS_THE_COHORT * of_cohort, *means], 0) / (
        _AS_GOOD_AS_THE_COHORT + len(means)
    )
    transform = _whitening(people, cohort.shape[1])
    return LikenessMetric(centre.astype(np.float32), transform.astype(np.float32))


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
        cohort: float32 [m, dimensions] of strangers.
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
        basis=basis,
    )
    space = replace(
        space, offsets=_offsets(space.scores(cohort), max(MAX_SHARE, 2 / len(templates)))
    )
    others = [
        np.delete(space.scores(vectors), space.identities.index(who), axis=1).ravel()
        for who, vectors in (held_out or {}).items()
    ]
    if sum(map(len, others)) < _FEWEST_PAIRS:
        return space.measured(space.scores(cohort), "cohort")
    return space.measured(np.concatenate(others), "gallery")


def _whitening(people: Sequence[np.ndarray], dimensions: int) -> np.ndarray:
    """What makes the spread of one person's photos the same in all directions."""
    usable = [_unit(one.astype(np.float64)) for one in people if len(one) >= _LEAST_PHOTOS]
    if not usable:
        return np.eye(dimensions)
    apart = np.concatenate([one - one.mean(0) for one in usable])
    within = apart.T @ apart / len(apart)
    few = np.median([len(one) for one in usable]) < _FEW_PHOTOS
    shrinkage = (_FEW_SHRINKAGE if few else SHRINKAGE) * np.trace(within) / dimensions
    return np.linalg.inv(np.linalg.cholesky(within + shrinkage * np.eye(dimensions)))


def _robust_mean(vectors: np.ndarray) -> np.ndarray:
    """Mean of one person's vectors without those far from it (median absolute deviation)."""
    unit = _unit(vectors.astype(np.float64))
    cosines = unit @ _unit(unit.mean(0))
    middle = np.median(cosines)
    kept = cosines >= middle - 4 * 1.48 * np.median(np.abs(cosines - middle))
    return _unit(unit[kept].mean(0))


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


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
