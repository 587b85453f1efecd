"""Intervals of shares."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.recognition.intervals import interval_of_share


def test_wilsons_interval() -> None:
    """By hand for 8 of 10, and at the ends, where the normal one would have no width."""
    ten = np.arange(10) < 8
    assert interval_of_share(ten, np.arange(10)) == pytest.approx((0.4902, 0.9433), abs=2e-4)
    low, high = interval_of_share(np.ones(10, bool), np.arange(10))
    assert (low, high) == (pytest.approx(0.7225, abs=2e-4), pytest.approx(1))
    assert interval_of_share(np.ones(0, bool), np.arange(0)) == (0, 1)


def test_photos_of_one_person_are_no_independent_witnesses() -> None:
    right = np.arange(20) < 15
    once = interval_of_share(right, np.arange(20))
    tenfold = interval_of_share(right.repeat(10), np.arange(20).repeat(10))
    unrelated = interval_of_share(right.repeat(10), np.arange(200))
    assert tenfold == pytest.approx(once, abs=0.01)
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
