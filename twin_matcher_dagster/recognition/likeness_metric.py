"""How likeness is measured: from the middle of everybody, by what tells people apart.

A vector is seen from the middle of a cohort of strangers, and of the gallery where that are photos.
What tells one person from another counts, rather than one photo from another: the metric is the
inverse of the covariance within people (whitening before linear discriminants, Fukunaga 1990, ch.
10; within-class covariance normalisation, Hatch et al. 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.errors import TrainingError

# Of the mean variance, added to the covariance within people: 0.03 to 1 gave the same twins.
SHRINKAGE = 0.3
# With few photos a person the covariance is hardly known.
_FEW_PHOTOS, _FEW_SHRINKAGE, _LEAST_PHOTOS = 20, 1.0, 3
# So many real people of a gallery count as much as the cohort for the middle: rendered faces have
# another one. With 4 to 15 of 18 celebrities, twelve draws each, 2 to 5% of the pairs with 1,600
# strangers were then above the 95th percentile; from the cohort's middle alone 0.9 to 2.4, from the
# gallery's alone 4 to 24.
_AS_GOOD_AS_THE_COHORT = 8


@dataclass(frozen=True)
class LikenessMetric:
    """How vectors of the likeness network are compared; see ``likeness.LikenessSpace``."""

    centre: np.ndarray
    transform: np.ndarray

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors of the network in the space of this metric: [n, dimensions], unit length."""
        return _unit((_unit(vectors) - self.centre) @ self.transform.T)

    def template(self, vectors: np.ndarray) -> np.ndarray:
        """One person's place: float32 [dimensions], from [n, dimensions] of their faces."""
        return self.place(robust_mean(vectors)[None])[0].astype(np.float32)


def robust_mean(vectors: np.ndarray) -> np.ndarray:
    """Mean of one person's vectors without those far from it (median absolute deviation).

    Args:
        vectors: float [n, dimensions], n >= 1.

    Returns:
        float32 [dimensions], unit length.
    """
    unit = _unit(vectors.astype(np.float64))
    cosines = unit @ _unit(unit.mean(0))
    middle = np.median(cosines)
    kept = cosines >= middle - 4 * 1.48 * np.median(np.abs(cosines - middle))
    return _unit(unit[kept].mean(0)).astype(np.float32)


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


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
