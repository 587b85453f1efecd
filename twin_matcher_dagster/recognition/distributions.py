"""Exact distributions of few trials: beta, binomial, Student's t, and of orders.

Normal approximations are wrong where there are few faces: three standard errors above a chance of
a half are 115% of eight. SciPy is no dependency, and these few lines are all that is needed of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np

_TERMS = 10_000
_SMALLEST, _EXACT = 1e-300, 1e-15
_HALVINGS = 53


def beta_below(value: float, one: float, other: float) -> float:
    """Share of a beta distribution that is below a value: 0 to 1.

    The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22).

    Args:
        value: 0 to 1.
        one, other: the two parameters, > 0.
    """
    if value <= 0 or value >= 1:
        return float(value >= 1)
    if value > (one + 1) / (one + other + 2):  # where the fraction converges fast
        return 1 - beta_below(1 - value, other, one)
    logarithm = math.lgamma(one + other) - math.lgamma(one) - math.lgamma(other)
    logarithm += one * math.log(value) + other * math.log1p(-value)
    return min(1.0, math.exp(logarithm) / (one * _fraction(value, one, other)))


def _fraction(value: float, one: float, other: float) -> float:
    """The continued fraction of :func:`beta_below` (Lentz's method)."""
    fraction, numerator, denominator = 1.0, 1.0, 0.0
    for term in range(1, _TERMS):
        half, odd = divmod(term, 2)
        top = -(one + half) * (one + other + half) if odd else half * (other - half)
        step = top * value / ((one + term - 1) * (one + term))
        denominator = 1 / _away_from_zero(1 + step * denominator)
        numerator = _away_from_zero(1 + step / numerator)
        fraction *= numerator * denominator
        if abs(numerator * denominator - 1) < _EXACT:
            break
    return fraction


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST


def beta_quantile(share: float, one: float, other: float) -> float:
    """The value that a share of a beta distribution is below: 0 to 1; the inverse of
    :func:`beta_below`, by halving."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_below(middle, one, other) < share else (low, middle)
    return (low + high) / 2


def luck(hits: int, trials: int, chance: float) -> float:
    """How likely so many hits or more are by chance: the upper tail of a binomial, 0 to 1.

    Args:
        hits: 0 to ``trials``.
        trials: independent ones.
        chance: of a hit in each, 0 to 1.
    """
    return beta_below(chance, hits, trials - hits + 1) if hits > 0 else 1.0


@lru_cache(maxsize=256)
def t_quantile(tail: float, freedom: int) -> float:
    """What Student's t exceeds with a small probability.

    Args:
        tail: that probability, above 0 and below 0.5.
        freedom: degrees of freedom, 1 or more.
    """
    inside = beta_quantile(2 * tail, freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - inside) / max(inside, _SMALLEST))


def rise_by_luck(values: Sequence[float]) -> float:
    """How likely values in any order rise as often as these, or more often: 0 to 1.

    Of all pairs of an earlier and a later value those count in which the later one is larger
    (Kendall 1938, Biometrika 30).

    Args:
        values: in order.
    """
    rising = sum(late > early for early, late in combinations(values, 2))
    shares = np.ones(1)  # of the orders of so many values, by their number of rising pairs
    for count in range(2, len(values) + 1):
        shares = np.convolve(shares, np.full(count, 1 / count))
    return float(shares[rising:].sum())


def normal_above(value: float) -> float:
    """How likely a standard normal is above a value: 0 to 1."""
    return math.erfc(value / math.sqrt(2)) / 2
