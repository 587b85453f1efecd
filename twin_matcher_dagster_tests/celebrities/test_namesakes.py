"""One name, two people: nobody is released by majority, and a word on one photo is enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_matcher_dagster.celebrities.cleaning import CleaningLimits, People
from twin_matcher_dagster.celebrities.contact_sheet import contact_sheet
from twin_matcher_dagster.celebrities.curation import Curation, curate
from twin_matcher_dagster.celebrities.findings import (
    ANOTHER_PERSON,
    FIRST_NAMESAKE,
    NEAR_DUPLICATE,
    SECOND_NAMESAKE,
    SECOND_PERSON,
    InspectedImage,
)
from twin_matcher_dagster.celebrities.namesakes import waiting_in
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.second_person import second_person
from twin_matcher_dagster.storage.records.celebrities import ReviewDecision
from twin_matcher_dagster_tests.celebrities.test_cleaning import (
    PEOPLE,
    collection,
    directions,
    faces_of,
)

SECOND = [f"second-{n}" for n in range(40)]
FIRST = [f"1-{n}" for n in range(40)]


def mixed(count: int, first: int = 20) -> list[InspectedImage]:
    """Six people; so many photos under the name of Person 1 show another one."""
    vectors = faces_of(directions(PEOPLE + 1, seed=5)[-1], count, 7)
    return [
        *(one for one in collection(first)),
        *(
            InspectedImage(name, "Person 1", "c-1", vector=vector, photo=5000 + n, size=90)
            for n, (name, vector) in enumerate(zip(SECOND, vectors, strict=False))
        ),
    ]


def kept(curated: Curation) -> set[str]:
    return {one.image for one in curated.kept if one.identity_id == "c-1"}


def reasons(curated: Curation) -> dict[str, str]:
    return {one.image: one.reason for one in curated.table}


def test_two_in_equal_parts_who_resemble_one_another_are_told_apart() -> None:
    """The mean of all is near everybody: that is no centre of one person."""
    one, other = directions(2, seed=3)
    alike = (0.4 * one + np.sqrt(1 - 0.4**2) * other).astype(np.float32)
    vectors = np.concatenate([faces_of(one, 20, 1), faces_of(alike, 20, 2)])
    smaller = second_person(vectors, load_sameness(), CleaningLimits())
    assert smaller.sum() == 20
    assert len({*smaller[:20]}) == len({*smaller[20:]}) == 1


@pytest.mark.parametrize("count", [5, 8, 14, 19])
def test_a_second_group_of_a_fifth_makes_a_name_wait(count: int) -> None:
    curated = curate(mixed(count))
    assert kept(curated) == set()
    assert waiting_in(curated.table) == {"c-1": "Person 1"}
    assert reasons(curated) == {
        **dict.fromkeys(FIRST[:20], FIRST_NAMESAKE),
        **dict.fromkeys(SECOND[:count], SECOND_NAMESAKE),
    }
    assert len(curated.kept) == 5 * 20
    (two,) = curated.namesakes.values()
    assert two.waits
    assert load_sameness().pair(*two.centres) < CleaningLimits().two_people


def test_a_smaller_group_is_left_out_and_the_name_stays() -> None:
    curated = curate(mixed(7, first=40))
    assert kept(curated) == set(FIRST)
    assert waiting_in(curated.table) == {}
    assert reasons(curated) == dict.fromkeys(SECOND[:7], SECOND_PERSON)


@pytest.mark.parametrize(
    ("photos", "stay", "out"),
    [
        (["1-3"], FIRST[:20], SECOND_NAMESAKE),
        (["second-2"], SECOND[:8], FIRST_NAMESAKE),
        (["1-3", "second-2"], [*FIRST[:20], *SECOND[:8]], ""),
    ],
)
def test_to_keep_one_photo_decides_for_its_group(
    photos: list[str], stay: list[str], out: str
) -> None:
    decisions = [ReviewDecision(image, "keep") for image in photos]
    curated = curate(mixed(8), decisions)
    assert kept(curated) == set(stay)
    assert waiting_in(curated.table) == {}
    found = {one.reason for one in curated.table if not one.decision}
    assert found == ({out} if out else set())
    # What was decided is in the next table, so that an import does not take it back.
    assert {one.image for one in curated.table if one.decision == "keep"} == set(photos)


def test_to_drop_a_group_decides_too() -> None:
    curated = curate(mixed(8), [ReviewDecision(image, "drop") for image in SECOND[:8]])
    assert kept(curated) == set(FIRST[:20])
    assert curated.namesakes == {}


def test_a_photo_that_comes_later_follows_its_group() -> None:
    word = [ReviewDecision("second-2", "keep")]
    curated = curate(mixed(12), word)
    assert kept(curated) == set(SECOND[:12])


def test_the_group_that_was_kept_is_cleaned_like_anybody() -> None:
    seen = mixed(8)
    copy = InspectedImage("copy", "Person 1", "c-1", vector=seen[-1].vector, photo=seen[-1].photo)
    (stranger,) = faces_of(directions(PEOPLE + 2, seed=11)[-1], 1, 99)
    odd = InspectedImage("odd", "Person 1", "c-1", vector=stranger, photo=9000)
    word = [ReviewDecision(image, "keep") for image in ("1-3", "second-2")]
    curated = curate([*seen, copy, odd], word)
    found = {one.image: one.reason for one in curated.table if not one.decision}
    assert found == {"copy": NEAR_DUPLICATE, "odd": ANOTHER_PERSON}


def test_copies_make_no_second_group() -> None:
    """Each photo counts once: twenty files of two photos are two."""
    seen = mixed(2, first=16)
    copies = [
        InspectedImage(f"{one.image} {n}", "Person 1", "c-1", vector=one.vector, photo=one.photo)
        for one in seen[-2:]
        for n in range(9)
    ]
    assert waiting_in(curate([*seen, *copies]).table) == {}


def test_photos_held_out_for_tests_are_told_apart_with_the_others() -> None:
    """One clustering: alone, ten held-out photos would be too few to tell two people by."""
    seen = [one if n % 4 else replace(one, split="test") for n, one in enumerate(mixed(8))]
    curated = curate(seen, [ReviewDecision("1-3", "keep")])
    assert any(one.split == "test" for one in seen if one.image in SECOND)
    assert kept(curated) == set(FIRST[:20])


def test_the_other_person_by_another_name_is_named() -> None:
    """The smaller group is somebody of the collection: the table says who."""
    seen = mixed(0)
    astray = faces_of(directions(PEOPLE)[4], 8, 77)
    seen += [
        InspectedImage(name, "Person 1", "c-1", vector=vector, photo=6000 + n, size=90)
        for n, (name, vector) in enumerate(zip(SECOND, astray, strict=False))
    ]
    table = curate(seen).table
    assert {one.other for one in table if one.reason == SECOND_NAMESAKE} == {"c-4"}
    assert {one.other for one in table if one.reason == FIRST_NAMESAKE} == {""}


def test_nobody_of_a_clean_collection_waits() -> None:
    assert People.of(collection(), CleaningLimits(), load_sameness()).namesakes == {}
    alone = np.stack([one.vector for one in collection()[:1] if one.vector is not None])
    one = InspectedImage("one", "One", "c-one", vector=alone[0], photo=1)
    assert curate([one]).namesakes == {}


def test_the_page_shows_both_groups_side_by_side() -> None:
    curated = curate(mixed(8))
    images = {one.image: b"picture" for one in curated.table}
    page = contact_sheet(curated.table, images)
    assert "<h2>Person 1: two people?</h2>" in page
    left, right = page.split("<section>")[1].split("</section>")[0].split("</div>")[:2]
    assert (left.count("<img "), right.count("<img ")) == (20, 8)
    assert page.count("<img ") == 28
