"""What likeness gives to strangers: measured on the cohort, who are in nobody's gallery.

Two photos of a stranger should get one twin, and whoever is said to be alike should be: how alike
the faces of two people of the cohort are, vertex by vertex, its renderer knows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.faces.cohort import cohort_shapes, cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import LIKENESS
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.storage.records.index import StrangerFigures


@dataclass(frozen=True)
class StrangerAnswers:
    """What a likeness space says of the cohort, by person: float64 [people] each.

    Attributes:
        again: how far up the twin of one photo is on the other photo's list: the reciprocal of its
            rank, the mean of both ways; 1 where both have one twin.
        agreement: rank correlation (Spearman 1904) of the likeness of a person with all others and
            of how near their faces truly are, -1 to 1.
    """

    again: np.ndarray
    agreement: np.ndarray

    @classmethod
    def of(cls, space: LikenessSpace, among: Collection[str] | None = None) -> StrangerAnswers:
        """Ask a space about the cohort.

        Args:
            space: of a gallery.
            among: identity ids that count as its gallery; without, all of it.
        """
        vectors = cohort_vectors(LIKENESS)
        kept = [n for n, who in enumerate(space.identities) if among is None or who in among]
        one, other = (space.scores(vectors[n::2])[:, kept] for n in (0, 1))
        ways = [_reciprocal_rank(*pair) for pair in ((one, other), (other, one))]
        places = space.metric.place(vectors)
        likeness = places[::2] @ places[1::2].T
        shapes = cohort_shapes()
        distances = np.linalg.norm(shapes[:, None] - shapes, axis=2)
        return cls(np.mean(ways, 0), _rank_correlation(likeness + likeness.T, -distances))


def stranger_figures(space: LikenessSpace) -> StrangerFigures:
    """What an operator sees of :class:`StrangerAnswers`."""
    answers = StrangerAnswers.of(space)
    scores = space.scores(cohort_vectors(LIKENESS))
    first, three = scores.argmax(1), np.argsort(-scores, axis=1)[:, :3]
    other = np.arange(len(scores)) ^ 1  # the two photos of one person are neighbours
    return StrangerFigures(
        people=len(scores) // 2,
        same_twin=float((first[::2] == first[1::2]).mean()),
        within_three=float((three[other] == first[:, None]).any(1).mean()),
        commonest=float(np.bincount(first).max() / len(first)),
        agreement=float(answers.agreement.mean()),
        percentiles_of=space.measured_on,
    )


def _reciprocal_rank(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of the first of each row of one in the same row of the other; a tie counts against it."""
    theirs = np.take_along_axis(other, one.argmax(1)[:, None], 1)
    return 1 / (other >= theirs).sum(1)


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's, row by row of two square matrices, without the diagonal."""
    people = len(one)
    aside = ~np.eye(people, dtype=bool)
    ranks = [
        np.argsort(np.argsort(matrix[aside].reshape(people, -1), axis=1), axis=1)
        for matrix in (one, other)
    ]
    middle = (people - 2) / 2
    return (
        np.prod([rank - middle for rank in ranks], 0).sum(1)
        / np.square(np.arange(people - 1) - middle).sum()
    )
