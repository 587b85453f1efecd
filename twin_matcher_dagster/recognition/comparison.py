"""One scorer against another, on the same held-out faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.errors import TrainingError

RESAMPLES = 2000
# Of fewer held-out faces of one person nothing is said.
_ENOUGH_FACES = 4


@dataclass(frozen=True)
class Comparison:
    """A challenger against a champion, on the same probes.

    Attributes:
        difference: share of probes the challenger has right, less the champion's; -1 to 1.
        low, high: 95% interval of it.
        worse: whether the whole interval is below 0.
    """

    difference: float
    low: float
    high: float
    worse: bool


def compare(
    champion_right: np.ndarray,
    challenger_right: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    seed: int = 0,
) -> Comparison:
    """Paired bootstrap, percentile interval (Efron & Tibshirani 1993, "An introduction to the
    bootstrap", ch. 8 and 13). Whole groups are drawn: the faces of one person fail together.

    Args:
        champion_right, challenger_right: bool [n], of the same probes.
        groups: [n], the identity of each. With fewer than two nothing can be said, and the interval
            is -1 to 1; with fewer than some ten it is narrower than it should be.
        seed: fixes the draws.

    Raises:
        TrainingError: no probes, or not the same ones.
    """
    if not len(groups) or not len(champion_right) == len(challenger_right) == len(groups):
        raise TrainingError(
            f"{len(champion_right)} and {len(challenger_right)} answers on {len(groups)} faces "
            "cannot be compared. Measure both models on the same held-out faces."
        )
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    change = challenger_right.astype(np.float64) - champion_right.astype(np.float64)
    faces, changes = np.bincount(member), np.bincount(member, weights=change)
    if (people := len(faces)) < 2:
        return Comparison(float(change.mean()), -1.0, 1.0, worse=False)
    drawn = np.random.default_rng(seed).multinomial(people, [1 / people] * people, RESAMPLES)
    low, high = np.percentile((drawn @ changes) / (drawn @ faces), [2.5, 97.5])
    return Comparison(float(change.mean()), float(low), float(high), worse=bool(high < 0))


def lost(
    champion_right: np.ndarray, challenger_right: np.ndarray, groups: Sequence[str]
) -> list[str]:
    """Who was found, and is not any more: of at least four faces, half were found, and of those
    less than half are found now. Draws of whole people cannot show it: most draws miss the person.

    Args:
        champion_right, challenger_right, groups: as for :func:`compare`.
    """
    found: dict[str, list[tuple[bool, bool]]] = {}
    for who, *answers in zip(groups, champion_right, challenger_right, strict=True):
        found.setdefault(who, []).append((bool(answers[0]), bool(answers[1])))
    return [
        who
        for who, answers in found.items()
        if len(answers) >= _ENOUGH_FACES
        and sum(before for before, _ in answers) * 2 >= len(answers)
        and sum(now for _, now in answers) * 2 < sum(before for before, _ in answers)
    ]
