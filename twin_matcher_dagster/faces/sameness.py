"""How surely two vectors of the recogniser are one person's, whatever kind of face it is.

A recogniser sees some kinds of faces as more alike than others: at one limit of the cosine pairs of
different people of one kind are taken for one person several times as often as pairs of another
kind (docs/measured.md). So from the cosine is taken what either face shares with strangers anyway:
with those of a cohort that are most like it (adaptive cohorts: Sturim & Reynolds 2005, Matejka et
al. 2017). What is left is divided by what could be left at most, as chance is taken off an
agreement (Cohen 1960). So one limit serves real faces and rendered ones, which are all much alike,
and another recogniser has the same limits. Nothing is known of anybody but the vector.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twin_matcher_dagster.faces.cohort import cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import recogniser_of
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER

NEAREST = 0.05
"""Share of the cohort that a face is compared with: 1 to 20% gave the same ratio of false matches,
of 8 groups of strangers, within 0.2."""

SAME_PERSON = 0.18
"""From here on two single photos are of one person. Of pairs of different people of one kind 11.7%
are above it (8 groups of 200 strangers, UTKFace), as many as are above the cosine that SFace's
authors give, 0.363; of pairs of any two people 0.2%; of pairs of one 1.4% are below (LFW)."""

ONE_PERSON = 0.65
"""From here on the means of two names may be one person's: between what means of two people reach,
0.43 at most (17 real people, 24 rendered ones), and what those of one do not miss, 0.87 of 10
photos each."""


@dataclass(frozen=True)
class Sameness:
    """Compares vectors of one recogniser.

    Attributes:
        cohort: float32 [m, dimensions], unit vectors of strangers by that recogniser.
    """

    cohort: np.ndarray

    def __call__(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How surely each of some faces is the same person as each of others.

        Args:
            one: float [n, dimensions], unit vectors, of faces or mean faces.
            other: float [k, dimensions], likewise.

        Returns:
            float [n, k]: 1 for the same picture, 0 for two who are as alike as each is with the
            strangers who are most like it, and less for most pairs.
        """
        return less_chance(one @ other.T, self.shared(one)[:, None], self.shared(other))

    def pair(self, one: np.ndarray, other: np.ndarray) -> float:
        """The same of two vectors [dimensions]."""
        return float(self(one[None], other[None])[0, 0])

    def shared(self, vectors: np.ndarray) -> np.ndarray:
        """What faces share with the strangers most like them: mean cosine, float [n]."""
        nearest = max(1, round(NEAREST * len(self.cohort)))
        alike = vectors @ self.cohort.T
        return np.partition(alike, -nearest, axis=1)[:, -nearest:].mean(1)


def less_chance(cosines: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosines less what both sides share with strangers, see :meth:`Sameness.shared`.

    Args:
        cosines: float, of a shape that the others can be brought to.
        one, other: what the one and the other side shares.
    """
    chance = (one + other) / 2
    # A face that is in the cohort may share all; so may damaged vectors.
    return (cosines - chance) / np.maximum(1 - chance, 1e-3)


_LOADING = threading.Lock()


def load_sameness(source: str = BUNDLED_RECOGNISER) -> Sameness:
    """How vectors of a recogniser are compared; of another one than ships the cohort is asked once.

    Args:
        source: as for :func:`~twin_matcher_dagster.faces.recogniser.load_recogniser`.

    Raises:
        RecogniserError: there is none, or it cannot be loaded.
    """
    with _LOADING:
        return _sameness_of(source)


@lru_cache(maxsize=2)
def _sameness_of(source: str) -> Sameness:
    return Sameness(cohort_vectors(recogniser_of(source)))
