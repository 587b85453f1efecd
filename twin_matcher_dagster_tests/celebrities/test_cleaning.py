"""Cleaning: what is wrong with a collection is found, and little else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin_matcher_dagster.celebrities.cleaning import (
    CleaningLimits,
    People,
    find_errors,
)
from twin_matcher_dagster.celebrities.findings import (
    ANOTHER_PERSON,
    LOOKS_LIKE,
    NEAR_DUPLICATE,
    NO_FACE,
    SAME_IMAGE,
    SECOND_PERSON,
    InspectedImage,
)
from twin_matcher_dagster.faces.duplicate_photos import SAME_PHOTO
from twin_matcher_dagster.faces.sameness import SAME_PERSON, load_sameness
from twin_matcher_dagster.faces.second_person import robust_centre, second_person

PEOPLE = 6


def directions(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors of people who do not resemble one another: float32 [count, 128]."""
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(128, count)))[0].T
    return vectors.astype(np.float32)


def faces_of(person: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Faces as SFace sees them: cosines of about 0.6 to one another, 0.75 to their mean."""
    noise = np.random.default_rng(seed).normal(size=(count, 128)) * 0.9 / np.sqrt(128)
    vectors = person + noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def collection(count: int = 20) -> list[InspectedImage]:
    """Six people with so many photos each, and nothing wrong."""
    return [
        InspectedImage(
            f"{who}-{n}", f"Person {who}", f"c-{who}", vector=vector, photo=100 * who + n, size=90
        )
        for who, person in enumerate(directions(PEOPLE))
        for n, vector in enumerate(faces_of(person, count, who))
    ]


def reasons(seen: list[InspectedImage]) -> dict[str, str]:
    return {one.image: one.reason for one in find_errors(seen)}


def test_the_limits_are_those_of_the_tools() -> None:
    assert CleaningLimits().same_person == SAME_PERSON
    assert CleaningLimits().same_photo == SAME_PHOTO


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert find_errors(collection()) == []


def test_what_shows_no_face_is_named() -> None:
    seen = [*collection(), InspectedImage("blank", "Person 0", "c-0", trouble=NO_FACE)]
    assert reasons(seen) == {"blank": NO_FACE}


def test_a_swapped_label_looks_like_the_other() -> None:
    seen = collection()
    seen[3] = replace(seen[3], identity_id="c-4", label="Person 4")
    (found,) = find_errors(seen)
    assert (found.image, found.reason) == (seen[3].image, LOOKS_LIKE)
    assert (found.identity_id, found.other) == ("c-4", "c-0")
    assert found.value < CleaningLimits().same_person < CleaningLimits().looks_like <= found.limit


def test_a_stranger_is_another_person() -> None:
    stranger = faces_of(directions(PEOPLE + 1, seed=9)[-1], 1, 99)[0]
    seen = [
        *collection(),
        InspectedImage("stranger", "Person 2", "c-2", vector=stranger, photo=9999),
    ]
    assert reasons(seen) == {"stranger": ANOTHER_PERSON}


@pytest.mark.parametrize("share", [0.1, 0.2, 0.33])
def test_a_third_of_the_labels_may_be_wrong(share: float) -> None:
    random = np.random.default_rng(1)
    seen, wrong = collection(40), set()
    for i, one in enumerate(seen):
        if random.random() < share:
            who = (int(one.identity_id[2:]) + int(random.integers(1, PEOPLE))) % PEOPLE
            seen[i] = replace(one, identity_id=f"c-{who}")
            wrong.add(one.image)
    assert set(reasons(seen)) == wrong


def test_a_second_person_is_listed_and_not_merged() -> None:
    seen = collection(40)
    second = faces_of(directions(PEOPLE + 1, seed=5)[-1], 8, 7)
    seen += [
        InspectedImage(f"second-{n}", "Person 1", "c-1", vector=vector, photo=5000 + n)
        for n, vector in enumerate(second)
    ]
    found = reasons(seen)
    assert set(found.values()) == {SECOND_PERSON}
    assert set(found) == {f"second-{n}" for n in range(8)}


def test_a_single_outlier_is_no_second_person() -> None:
    vectors = np.concatenate(
        [one.vector[None] for one in collection()[:20] if one.vector is not None]
    )
    few = np.concatenate([vectors, faces_of(directions(PEOPLE)[3], 2, 3)])
    assert not second_person(few, load_sameness(), CleaningLimits()).any()
    assert not second_person(vectors, load_sameness(), CleaningLimits()).any()


def test_of_copies_the_largest_stays() -> None:
    seen = collection()
    small = replace(seen[0], image="small", size=40, likeness=0.99)
    large = replace(seen[0], image="large", size=300, likeness=0.99)
    found = {one.image: one for one in find_errors([*seen, small, large])}
    assert set(found) == {seen[0].image, "small"}
    assert {one.reason for one in found.values()} == {NEAR_DUPLICATE}
    assert {one.other_image for one in found.values()} == {"large"}
    assert found["small"].limit == CleaningLimits().same_photo


def test_of_copies_the_one_that_is_held_out_stays() -> None:
    seen = collection()
    held_out = replace(seen[0], image="held out", size=10, split="test")
    assert set(reasons([*seen, held_out])) == {seen[0].image}


def test_one_photo_under_two_names_stays_where_it_belongs() -> None:
    seen = collection()
    astray = replace(seen[0], identity_id="c-3", label="Person 3")
    (found,) = find_errors([*seen, astray])
    assert (found.image, found.identity_id, found.reason) == (seen[0].image, "c-3", LOOKS_LIKE)


def test_one_photo_of_two_names_of_one_person_stays_once() -> None:
    """Both names fit the face: the copy goes, and the pair of names is listed."""
    seen = collection()
    alias = [
        replace(one, image=f"again {one.image}", identity_id="c-9", photo=one.photo + 9000)
        for one in seen[:10]
    ]
    alias[0] = replace(alias[0], image=seen[0].image, photo=seen[0].photo)
    found = find_errors([*seen, *alias])
    assert [one.reason for one in found] == [SAME_IMAGE]
    (pair,) = People.of([*seen, *alias], CleaningLimits(), load_sameness()).one_person_twice()
    assert pair[:2] == ("c-0", "c-9")


def test_many_copies_of_a_wrong_photo_do_not_become_the_centre() -> None:
    seen = [one for one in collection() if one.identity_id != "c-0"] + collection()[:6]
    wrong = faces_of(directions(PEOPLE + 1, seed=5)[-1], 1, 7)[0]
    seen += [
        InspectedImage(f"wrong-{n}", "Person 0", "c-0", vector=wrong, photo=7000) for n in range(30)
    ]
    found = reasons(seen)
    assert all(found[f"wrong-{n}"] == ANOTHER_PERSON for n in range(30))
    assert Counter(found.values())[ANOTHER_PERSON] == 30


def test_an_identity_of_one_face_is_no_error() -> None:
    lonely = InspectedImage("one", "One", "c-one", vector=directions(PEOPLE + 1, 4)[-1], photo=1234)
    assert find_errors([lonely]) == []
    assert find_errors([*collection(), lonely]) == []


@given(order=st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_images_decides_nothing(order: Random) -> None:
    seen = collection(8)
    seen[3] = replace(seen[3], identity_id="c-4")
    seen.append(replace(seen[0], image="copy"))
    shuffled = list(seen)
    order.shuffle(shuffled)
    assert reasons(shuffled) == reasons(seen)


@given(wrong=st.integers(0, 12), seed=st.integers(0, 20))
def test_the_centre_is_that_of_the_largest_group(wrong: int, seed: int) -> None:
    right, other = directions(2, seed)
    vectors = np.concatenate([faces_of(other, wrong, seed), faces_of(right, 24, seed + 1)])
    centre = robust_centre(vectors, load_sameness())
    assert centre @ right > 0.9
    assert np.linalg.norm(centre) == pytest.approx(1, abs=1e-5)
