"""Intervals of shares."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.recognition.intervals import interval_of_share


def test_an_exact_interval() -> None:
    """Of Clopper and Pearson for 8 of 10, and at the ends, where a normal one has no width."""
    ten = np.arange(10) < 8
    assert interval_of_share(ten, np.arange(10)) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    low, high = interval_of_share(np.ones(10, bool), np.arange(10))
    assert (low, high) == (pytest.approx(0.025 ** (1 / 10)), 1)
    low, high = interval_of_share(np.zeros(10, bool), np.arange(10))
    assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert interval_of_share(np.ones(0, bool), np.arange(0)) == (0, 1)


@pytest.mark.parametrize("faces", [1, 2, 3, 5, 9])
def test_few_photos_reach_far(faces: int) -> None:
    """So many as a share of 80% misses by luck one time in forty."""
    _, high = interval_of_share(np.zeros(faces, bool), np.arange(faces))
    assert (high >= 0.8) == (0.2**faces > 0.025)


def test_of_two_people_who_differ_nothing_is_known_of_others() -> None:
    low, high = interval_of_share(np.arange(20) < 9, np.arange(20) // 10)
    assert (low, high) == (pytest.approx(0, abs=1e-3), pytest.approx(1, abs=1e-3))


def test_photos_of_one_person_are_no_independent_witnesses() -> None:
    right = np.arange(20) < 15
    once = interval_of_share(right, np.arange(20))
    tenfold = interval_of_share(right.repeat(10), np.arange(20).repeat(10))
    unrelated = interval_of_share(right.repeat(10), np.arange(200))
    assert tenfold == pytest.approx(once, abs=0.03)
    assert unrelated[1] - unrelated[0] < 0.6 * (once[1] - once[0])


def test_it_covers_what_is_true() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        groups = np.arange(30).repeat(6)
        chances = random.beta(4.5, 0.5, 30)[groups]  # 90%, other for each person
        low, high = interval_of_share(random.random(len(groups)) < chances, groups)
        hits += low <= 0.9 <= high
    assert hits >= 180  # 190 are expected
