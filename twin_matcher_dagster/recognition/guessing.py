"""Are these answers better than guesses? An exact answer, or that there are too few to tell."""

from __future__ import annotations

import math
from bisect import bisect_left

from twin_matcher_dagster.recognition.distributions import luck

LUCKY = 700
"""Guessing is ruled out where luck does as well in one of so many cases: three standard errors of
many faces."""


def beyond_guessing(chance: float, faces: int) -> float | None:
    """The lowest share of right answers that guessing does not reach (an exact binomial test).

    Args:
        chance: how often always naming the largest class is right, 0 to 1.
        faces: how many faces were measured.

    Returns:
        0 to 1: luck gets so many right in one of :data:`LUCKY` cases or fewer. None where luck gets
        all of them right more often than that: so few faces say nothing.
    """
    # The more hits, the less likely: halved, and not counted up, where there are many faces.
    less = bisect_left(range(faces + 1), -1 / LUCKY, key=lambda hits: -luck(hits, faces, chance))
    return less / faces if less <= faces else None


def enough_faces(chance: float) -> int | None:
    """How few faces can say that answers are no guesses: see :func:`beyond_guessing`.

    Args:
        chance: as there.

    Returns:
        That number; None where guessing is always right.
    """
    return math.ceil(math.log(LUCKY) / -math.log(chance)) if 0 < chance < 1 else None
