"""One scorer against another, on answers that were made up."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.comparison import compare, enough_people, lost


def answers(
    rates: tuple[float, float], seed: int, people: int = 60
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers of two models on five faces each of some people, and who is on them."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(people), 5)
    hardness = random.random(people)[groups] * 0.4 - 0.2  # some people are hard for both
    draws = random.random((2, len(groups)))
    right = [draw < share + hardness for draw, share in zip(draws, rates, strict=True)]
    return right[0], right[1], groups


def test_a_difference_by_hand() -> None:
    champion = np.array([True, True, False, False] * 3)
    challenger = np.array([True, False, True, True] * 3)
    found = compare(champion, challenger, np.arange(12) // 2)
    assert found.difference == 0.25
    # Half of the people lose half, and half gain all; of 2,000 draws some are nearly all of a kind.
    assert found.low == pytest.approx(-0.5, abs=0.26)
    assert found.high == pytest.approx(1, abs=0.26)
    assert not found.worse


@pytest.mark.parametrize("people", range(2, 21))
def test_few_people_prove_nothing_by_luck(people: int) -> None:
    """All of n people are a little worse by luck once in 2 ** n: from six on that is rare."""
    before, now = np.full(people, 1.0), np.full(people, 0.9)
    found = compare(before, now, np.arange(people))
    assert found.worse == (people >= enough_people())
    if not found.worse:
        assert (found.low, found.high) == (-1, 1)


@pytest.mark.parametrize("people", [6, 10])
def test_few_people_are_seldom_worse_by_luck(people: int) -> None:
    noise = [np.random.default_rng(seed).normal(size=(2, people)) for seed in range(200)]
    wrong = sum(compare(*one, np.arange(people)).worse for one in noise)
    assert wrong <= 10  # 5 are expected; of plain percentiles 14 and 16


def test_so_many_people_can_show_a_change() -> None:
    assert (enough_people(), enough_people(0.995)) == (6, 9)


def test_the_same_seed_draws_the_same() -> None:
    data = answers((0.7, 0.65), seed=0)
    assert compare(*data, seed=3) == compare(*data, seed=3)
    assert compare(*data, seed=3) != compare(*data, seed=4)


def test_the_interval_covers_what_is_true() -> None:
    found = [compare(*answers((0.7, 0.6), seed), seed=seed) for seed in range(60)]
    assert sum(one.low <= -0.1 <= one.high for one in found) >= 52  # 57 are expected
    assert all(one.low <= one.difference <= one.high for one in found)
    alike = [compare(*answers((0.7, 0.7), seed), seed=seed) for seed in range(60)]
    assert sum(one.worse for one in alike) <= 5  # 1 or 2 are expected


def test_worse_is_said_where_it_is_certain_only() -> None:
    much = compare(*answers((0.8, 0.5), seed=0))
    assert much.worse and much.high < 0
    better = compare(*answers((0.5, 0.8), seed=0))
    assert not better.worse and better.low > 0
    right = np.ones(10, bool)
    same = compare(right, right, np.arange(10))
    assert (same.difference, same.low, same.high, same.worse) == (0, 0, 0, False)


def test_faces_of_one_person_are_no_independent_witnesses() -> None:
    champion, challenger, groups = answers((0.7, 0.6), seed=0)
    again = np.repeat(np.arange(len(groups)), 20)
    once = compare(champion, challenger, groups)
    often = compare(champion[again], challenger[again], groups[again])
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    alone = compare(~np.zeros(50, bool), np.zeros(50, bool), ["u-ana"] * 50)
    assert (alone.difference, alone.low, alone.high, alone.worse) == (-1, -1, 1, False)


def test_names_of_people_do_not_matter() -> None:
    champion, challenger, groups = answers((0.7, 0.6), seed=0)
    named = [f"u-{number:03}" for number in groups]
    assert compare(champion, challenger, named) == compare(champion, challenger, groups)


@pytest.mark.parametrize("counts", [(0, 0, 0), (3, 2, 3), (3, 3, 2)])
def test_other_faces_cannot_be_compared(counts: tuple[int, int, int]) -> None:
    one, other, groups = (np.zeros(count, bool) for count in counts)
    with pytest.raises(TrainingError, match="on the same held-out faces"):
        compare(one, other, groups)


def told(*rows: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Of rows ``who champion challenger``, a 1 for each face that was found."""
    parts = [row.split() for row in rows]
    before, now = (
        np.array([digit == "1" for part in parts for digit in part[place]]) for place in (1, 2)
    )
    return before, now, [part[0] for part in parts for _ in part[1]]


def test_who_is_not_found_any_more_is_lost() -> None:
    assert lost(*told("ana 1111111111 0000000000", "bob 1111 1111")) == ["ana"]
    assert lost(*told("ana 1111 1000", "bob 1100 0000")) == ["ana", "bob"]


def test_some_faces_fewer_are_no_loss() -> None:
    assert lost(*told("ana 1111 1100", "bob 1111111111 1111100000")) == []
    # Who was hardly found, and who has few faces, says nothing.
    assert lost(*told("ana 1000 0000", "bob 111 000")) == []
    assert lost(*told("ana 0000 1111")) == []
