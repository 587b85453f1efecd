"""One scorer against another, on the same held-out faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.distributions import normal_above, t_quantile

RESAMPLES = 2000
# Of fewer held-out faces of one person nothing is said.
_ENOUGH_FACES = 4


@dataclass(frozen=True)
class Comparison:
    """A challenger against a champion, on the same probes.

    Attributes:
        difference: mean of what the challenger got, less the champion's.
        low, high: interval of it.
        worse: whether the whole interval is below what is tolerated.
    """

    difference: float
    low: float
    high: float
    worse: bool


def compare(
    champion: np.ndarray,
    challenger: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    *,
    tolerated: float = 0.0,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Paired bootstrap, percentile interval (Efron & Tibshirani 1993, "An introduction to the
    bootstrap", ch. 8 and 13), expanded as Student's t is wider than a normal of so few people
    (Hesterberg 2015, The American Statistician 69). Whole groups are drawn: the faces of one person
    fail together.

    Args:
        champion, challenger: [n], of the same probes: whether it was right (bool), or how far.
        groups: [n], the identity of each. With fewer than :func:`enough_people` nothing can be
            said, and the interval is as wide as a change can be.
        tolerated: loss that does not count, 0 or more.
        confidence: of the interval, 0 to 1.
        seed: fixes the draws.

    Raises:
        TrainingError: no probes, or not the same ones.
    """
    if not len(groups) or not len(champion) == len(challenger) == len(groups):
        raise TrainingError(
            f"{len(champion)} and {len(challenger)} answers on {len(groups)} faces "
            "cannot be compared. Measure both models on the same held-out faces."
        )
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    change = challenger.astype(np.float64) - champion.astype(np.float64)
    faces, changes = np.bincount(member), np.bincount(member, weights=change)
    if (people := len(faces)) < enough_people(confidence):
        widest = max(1.0, float(np.abs(change).max()))
        return Comparison(float(change.mean()), -widest, widest, worse=False)
    drawn = np.random.default_rng(seed).multinomial(people, [1 / people] * people, RESAMPLES)
    few = math.sqrt(people / (people - 1)) * t_quantile((1 - confidence) / 2, people - 1)
    tail = 100 * normal_above(few)
    low, high = np.percentile((drawn @ changes) / (drawn @ faces), [tail, 100 - tail])
    return Comparison(float(change.mean()), float(low), float(high), bool(high < -tolerated))


def enough_people(confidence: float = 0.95) -> int:
    """How few people can show a change: that all change one way is a matter of luck for fewer
    (sign test, Arbuthnott 1710).

    Args:
        confidence: of an interval, 0 to 1, as of :func:`compare`.
    """
    return math.ceil(-math.log2((1 - confidence) / 2))


def lost(champion: np.ndarray, challenger: np.ndarray, groups: Sequence[str]) -> list[str]:
    """Who was found, and is not any more: of at least four faces, half were found, and of those
    less than half are found now. Draws of whole people cannot show it: most draws miss the person.

    Args:
        champion, challenger: bool [n], whether each was right.
        groups: as for :func:`compare`.
    """
    found: dict[str, list[tuple[bool, bool]]] = {}
    for who, *answers in zip(groups, champion, challenger, strict=True):
        found.setdefault(who, []).append((bool(answers[0]), bool(answers[1])))
    return [
        who
        for who, answers in found.items()
        if len(answers) >= _ENOUGH_FACES
        and sum(before for before, _ in answers) * 2 >= len(answers)
        and sum(now for _, now in answers) * 2 < sum(before for before, _ in answers)
    ]
