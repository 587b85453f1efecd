"""Is an upload made of several people: of their crops in turn, or of pictures that blend them?

By itself: its faces fall into two groups, or are too little alike for one person's. Beside those
who are known: some crops are one's, or the mean face lies between two. ``make bench-impersonation``
prints what each finds, and of how many honest people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.faces.sameness import SAME_PERSON, Sameness
from twin_matcher_dagster.faces.second_person import second_person

COHERENT = 0.2
"""Median sameness of two faces of an upload below which they are not one person's: of 20 photos of
one it was 0.21 and above (17 real people, 24 rendered ones), of 12 clips 0.42 and above. Blends of
other photos each are not much alike, whoever they are of."""

BETWEEN = 0.63
"""So much of a mean face two known people, who are not alike, may explain together: 99.9% of 1,034
strangers who are compared with 2,025 others are below."""

# Pairs are looked for among so many of the nearest: of two who explain much both are near.
_NEAREST = 40
# So many crops at least, and such a share of all, are somebody's.
_LEAST_CROPS, _LEAST_SHARE = 2, 0.05


def mixed(vectors: np.ndarray, sameness: Sameness) -> tuple[str, ...]:
    """What says that faces are not one person's, in a sentence each.

    Args:
        vectors: float32 [n, 128], unit vectors of an upload's crops, n >= 1.
        sameness: how they are compared.
    """
    found = []
    second = second_person(vectors, sameness)
    if second.any():
        count = int(second.sum())
        found.append(f"{count} of {len(vectors)} faces look like a second person's")
    alike = coherence(vectors, sameness)
    if alike < COHERENT:
        found.append(
            "the faces are less alike than one person's, as of blended pictures: similarity "
            f"{alike:.2f}, limit {COHERENT:.2f}"
        )
    return tuple(found)


def coherence(vectors: np.ndarray, sameness: Sameness) -> float:
    """Median sameness of two of some faces; 1 of a single one.

    Args:
        vectors: float32 [n, 128], unit vectors.
        sameness: how they are compared.
    """
    pairs = sameness(vectors, vectors)[np.triu_indices(len(vectors), 1)]
    return float(np.median(pairs)) if len(pairs) else 1.0


def crops_of_others(alike: np.ndarray, own: np.ndarray, same: float) -> np.ndarray:
    """How many crops are rather each known person's than of the upload's own mean face.

    So nobody is suspected who resembles somebody: their crops are nearer to their own mean.

    Args:
        alike: float [n, k], sameness of each crop with each known one.
        own: float [n], that of each crop with the upload's mean face.
        same: from which on a crop is taken for a known person's.

    Returns:
        int [k]; 0 where they are too few to count.
    """
    counts = ((alike >= same) & (alike > own[:, None])).sum(0)
    return np.where(counts >= max(_LEAST_CROPS, _LEAST_SHARE * len(own)), counts, 0)


@dataclass(frozen=True)
class Between:
    """Two known people between whom a face lies.

    Attributes:
        one, other: positions among the known.
        explained: multiple correlation of the face with both, by sameness, 0 to 1 or a little more.
    """

    one: int
    other: int
    explained: float


def between(alike: np.ndarray, known: np.ndarray, sameness: Sameness) -> Between | None:
    """The two known people, unlike one another, who explain most of a face; None without a pair.

    The mean of two unit vectors that are at right angles is at 0.71 to either, and both explain it
    whole. Somebody who resembles two people resembles what those have in common.

    Args:
        alike: float [k], sameness of the face with each known one.
        known: float32 [k, 128], their mean faces.
        sameness: how those are compared.
    """
    near = np.argsort(-alike, kind="stable")[:_NEAREST]
    shared = sameness(known[near], known[near])
    one, other = alike[near][:, None], alike[near][None]
    # Both count for something, and neither only because of the other.
    pairs = (shared < SAME_PERSON) & (one > shared * other) & (other > shared * one)
    pairs &= (one > 0) & (other > 0) & np.triu(np.ones_like(pairs), 1)
    if not pairs.any():
        return None
    squares = (one**2 + other**2 - 2 * shared * one * other) / (1 - np.minimum(shared**2, 0.99))
    explained = np.sqrt(np.where(pairs, squares, 0))
    place = np.unravel_index(explained.argmax(), explained.shape)
    return Between(int(near[place[0]]), int(near[place[1]]), float(explained[place]))
