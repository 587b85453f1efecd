"""Who is left, who was left out, and the setting that changes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_matcher_dagster.celebrities.headcount import (
    different_people,
    headcount_in_words,
    pairs_of_one_person,
)
from twin_matcher_dagster.faces.sameness import Sameness
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion
from twin_matcher_dagster_tests.records import BALANCED


def balanced(too_few: dict[str, int], left: int = 0, min_faces: int = 8) -> BalancedVersion:
    images = {f"c-{number}": 9 for number in range(left + len(too_few))}
    return replace(BALANCED, images=images, too_few=too_few, min_faces=min_faces)


def names(count: int) -> dict[str, str]:
    return {f"c-{number}": f"Person {number}" for number in range(count)}


def test_24_people_with_3_photos_are_told_the_limit_and_the_setting() -> None:
    few = {f"Person {number}": 3 for number in range(24)}
    told = headcount_in_words(balanced(few), {}, [], [])
    assert told.startswith("0 of 24 names are left, and training needs 2 people.")
    assert "24 have 3 faces to train on, fewer than MIN_FACES=8: Person 0 (3)" in told
    assert "With MIN_FACES=3 24 of them come in" in told


@pytest.mark.parametrize(
    ("counts", "left", "setting"),
    [
        ([1, 2, 4, 7], 0, "With MIN_FACES=4 2 of them"),
        ([1, 5], 0, "With MIN_FACES=1 2 of them"),
        ([1, 5], 1, "With MIN_FACES=5 1 of them"),
        ([2, 2, 2], 5, "With MIN_FACES=2 3 of them"),
        ([0, 0], 1, "Add photos of them to RAW_FACES."),
        ([3], 0, "Add photos of them to RAW_FACES."),
    ],
)
def test_what_would_be_enough(counts: list[int], left: int, setting: str) -> None:
    few = {f"Few {number}": count for number, count in enumerate(counts)}
    assert setting in headcount_in_words(balanced(few, left), names(left), [], [])


def test_one_person_is_not_enough() -> None:
    told = headcount_in_words(balanced({}, 1), names(1), [], [])
    assert "needs 2 people. Set RAW_FACES to more people." in told


def test_two_names_of_one_person_are_one() -> None:
    alike = [("c-0", "c-1", 0.91)]
    assert different_people(names(2), alike) == 1
    told = headcount_in_words(balanced({}, 2), names(2), [], alike)
    assert "2 of 2 names are left, of 1 different people, and training needs 2 people" in told
    assert "Person 0 and Person 1 (0.91)" in told
    assert "label=NAME" in told
    chain = [*alike, ("c-1", "c-2", 0.7), ("c-3", "c-9", 0.8)]
    assert different_people(names(4), chain) == 2


def test_pairs_are_those_of_each_with_each() -> None:
    random = np.random.default_rng(0)
    people = random.normal(size=(60, 128))
    people[7] = people[3] + 0.1 * random.normal(size=128)
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    sameness = Sameness(people[40:])
    centres = {f"c-{number:02}": one for number, one in enumerate(people[:40])}
    ((one, other, value),) = pairs_of_one_person(centres, sameness)
    assert (one, other) == ("c-03", "c-07")
    assert value == pytest.approx(sameness.pair(people[3], people[7]))
    assert pairs_of_one_person({}, sameness) == []
