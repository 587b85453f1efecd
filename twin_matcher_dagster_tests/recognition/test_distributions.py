"""Exact distributions, beside sums over all cases and values of tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from math import comb

import pytest

from twin_matcher_dagster.recognition.distributions import (
    beta_below,
    beta_quantile,
    luck,
    normal_above,
    rise_by_luck,
    t_quantile,
)


@pytest.mark.parametrize("trials", [1, 2, 7, 40, 600])
@pytest.mark.parametrize("chance", [0.001, 0.3, 0.5, 0.999])
def test_luck_is_the_sum_of_all_cases(trials: int, chance: float) -> None:
    for hits in range(0, trials + 1, max(1, trials // 9)):
        cases = range(hits, trials + 1)
        told = sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in cases)
        assert luck(hits, trials, chance) == pytest.approx(told, rel=1e-9)


def test_what_is_certain() -> None:
    assert (luck(0, 5, 0.0), luck(1, 5, 0.0), luck(5, 5, 1.0)) == (1, 0, 1)
    assert (beta_below(0, 2, 3), beta_below(1, 2, 3)) == (0, 1)


@pytest.mark.parametrize(("one", "other"), [(1, 1), (0.5, 0.5), (3, 200.5), (4000, 2)])
def test_a_quantile_is_the_inverse(one: float, other: float) -> None:
    for share in (0.001, 0.025, 0.5, 0.975):
        assert beta_below(beta_quantile(share, one, other), one, other) == pytest.approx(share)


def test_orders_are_counted() -> None:
    for count in range(1, 6):
        orders = list(permutations(range(count)))
        for one in orders:
            above = sum(rising(other) >= rising(one) for other in orders) / len(orders)
            assert rise_by_luck(one) == pytest.approx(above)
    assert rise_by_luck([1, 1, 1]) == pytest.approx(1)


def rising(order: Sequence[float]) -> int:
    return sum(late > early for early, late in combinations(order, 2))


def test_tables() -> None:
    told = [t_quantile(0.025, freedom) for freedom in (1, 2, 5, 10, 30)]
    assert told == pytest.approx([12.706, 4.303, 2.571, 2.228, 2.042], abs=1e-3)
    assert normal_above(1.959964) == pytest.approx(0.025, abs=1e-6)
