"""Balancing: about the same number of faces an identity, and no photo in two splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.celebrities.balancing import (
    BalancePlan,
    BalanceReport,
    Candidate,
    balance,
)
from twin_matcher_dagster.dataset.identity import celebrity_id, tidy
from twin_matcher_dagster.dataset.schema import SPLITS, Face

SMALL = BalancePlan(train_faces=6, held_out_faces=2, held_out_share=0.2, min_faces=3)


def candidate(label: str, photo: int, copy: int = 0, held_out: bool = False) -> Candidate:
    name = f"{tidy(label).casefold()} {photo} {copy}"
    face = Face(name.encode(), label, celebrity_id(label), "celebrity", "", "train", yaw=photo)
    return Candidate(face, name, photo, held_out)


def photos(label: str, count: int, start: int = 0, held_out: bool = False) -> list[Candidate]:
    return [candidate(label, start + n, held_out=held_out) for n in range(count)]


def run(
    rows: list[Candidate], plan: BalancePlan | None = None
) -> tuple[dict[str, list[Candidate]], BalanceReport]:
    report = BalanceReport()
    chosen = list(balance(rows, plan or BalancePlan(), report))
    return {split: [c for c in chosen if c.face.split == split] for split in SPLITS}, report


def sizes(splits: dict[str, list[Candidate]]) -> tuple[int, int, int]:
    return len(splits["train"]), len(splits["validation"]), len(splits["test"])


def test_a_large_identity_is_cut_to_85() -> None:
    splits, report = run(photos("Ana", 730))
    assert sizes(splits) == (85, 10, 10)
    assert report.kept == {"Ana": 105}
    assert report.unused == 730 - 105


def test_a_small_identity_holds_out_its_share() -> None:
    splits, _ = run(photos("Ana", 50))
    assert sizes(splits) == (38, 6, 6)


def test_the_sources_own_test_rows_stay_in_test() -> None:
    own = photos("Ana", 25, 1000, held_out=True)
    splits, _ = run([*photos("Ana", 300), *own])
    assert sizes(splits) == (85, 10, 25)
    assert {one.image for one in splits["test"]} == {one.image for one in own}


def test_all_faces_of_a_photo_are_in_one_split() -> None:
    """Two copies of everything, kept by a review: an independent draw would tear them apart."""
    rows = [candidate("Ana", photo, copy) for photo in range(40) for copy in range(2)]
    splits, _ = run(rows, replace(SMALL, train_faces=40, held_out_faces=8))
    where = {one.photo: split for split, some in splits.items() for one in some}
    assert all(where[one.photo] == split for split, some in splits.items() for one in some)
    assert min(sizes(splits)) > 4


def test_a_copy_of_a_held_out_photo_is_held_out_too() -> None:
    """Under whichever name it comes again."""
    shared = candidate("Ana", 7, held_out=True)
    again = candidate("Bob", 7, copy=1)
    splits, _ = run([shared, again, *photos("Ana", 30, 100), *photos("Bob", 30, 200)])
    assert {shared.image, again.image} <= {one.image for one in splits["test"]}


def test_identities_with_too_few_faces_are_left_out() -> None:
    splits, report = run([*photos("Ana", 8), *photos("Bob", 7, 100)])
    assert set(report.kept) == {"Ana"}
    assert {one.face.label for some in splits.values() for one in some} == {"Ana"}
    assert report.too_few == {"Bob": 7}


@pytest.mark.parametrize("least", [1, 2, 3, 8])
def test_whoever_has_photos_enough_stays_in(least: int) -> None:
    """A photo more never leaves anybody out; what is held out is spare, and a third at most."""
    plan = BalancePlan(min_faces=least)
    for count in range(1, 40):
        splits, report = run(photos("Ana", count), plan)
        assert bool(report.kept) == (count >= least)
        if report.kept:
            train, validation, test = sizes(splits)
            assert train + validation + test == count
            assert train >= least
            assert test >= validation >= test - 1
            assert validation + test <= count / 3
            assert test or count <= max(2, least)


def test_what_is_not_clean_leaves_nobody_out_either() -> None:
    splits, report = run([*photos("Ana", 8), *uncleaned("Ana", 4, 100)])
    assert report.kept == {"Ana": 8}
    assert sizes(splits)[0] == 8


def test_spellings_are_one_identity_with_one_label() -> None:
    names = [("MIRA_OKONKWO", 4), ("Mira Okonkwo", 9), (" mira  okonkwo", 3)]
    rows = [one for i, (name, count) in enumerate(names) for one in photos(name, count, 100 * i)]
    splits, report = run(rows)
    faces = [one.face for some in splits.values() for one in some]
    assert report.kept == {"Mira Okonkwo": 16}
    assert {face.identity_id for face in faces} == {celebrity_id("Mira Okonkwo")}
    assert {face.label for face in faces} == {"Mira Okonkwo"}


def test_what_is_known_of_a_face_stays_with_it() -> None:
    splits, _ = run(photos("Ana", 20))
    assert all(one.face.yaw == one.photo for some in splits.values() for one in some)


def test_the_choice_is_fixed_by_the_seed_and_not_by_the_order() -> None:
    rows = photos("Ana", 400)
    mine, _ = run(rows)
    assert run(rows[::-1])[0] == mine
    other, _ = run(rows, BalancePlan(seed=1))
    assert sizes(other) == sizes(mine)
    assert {one.image for one in other["train"]} != {one.image for one in mine["train"]}


def test_more_photos_change_few_others() -> None:
    before, _ = run(photos("Ana", 400))
    after, _ = run(photos("Ana", 410))
    old, new = ({one.image for one in splits["train"]} for splits in (before, after))
    assert len(old & new) >= 75


ROW = st.builds(
    candidate,
    label=st.sampled_from(["Ana", "ANA", "Bob", "Zoë"]),
    photo=st.integers(0, 40),
    copy=st.integers(0, 2),
    held_out=st.booleans(),
)


@given(rows=st.lists(ROW, max_size=60, unique_by=lambda one: one.image), seed=st.integers(0, 5))
def test_every_face_is_used_once_or_counted(rows: list[Candidate], seed: int) -> None:
    splits, report = run(rows, replace(SMALL, seed=seed))
    chosen = [one for some in splits.values() for one in some]
    assert len(chosen) == len({one.image for one in chosen}) == report.kept.total()
    out = {celebrity_id(label) for label in report.too_few}
    stayed = sum(one.face.identity_id not in out for one in rows)
    assert report.kept.total() + report.unused == stayed
    where: dict[int, set[str]] = {}
    for one in chosen:
        where.setdefault(one.photo, set()).add(one.face.split)
    held_out = {one.photo for one in rows if one.held_out}
    assert all("train" not in found for photo, found in where.items() if photo in held_out)
    per_identity = Counter(one.face.identity_id for one in splits["train"])
    assert all(count <= 6 for count in per_identity.values())


def uncleaned(label: str, count: int, start: int) -> list[Candidate]:
    return [replace(one, clean=False) for one in photos(label, count, start)]


def test_what_is_not_clean_is_held_out_and_nothing_else() -> None:
    splits, report = run([*photos("Ana", 80), *uncleaned("Ana", 80, 1000)])
    assert all(one.clean for split in ("train", "validation") for one in splits[split])
    assert len(splits["test"]) == 10
    came = Counter(one.clean for one in splits["test"])
    assert min(came[True], came[False]) > 0
    clean = sum(one.clean for some in splits.values() for one in some)
    assert report.kept == {"Ana": clean}
    assert report.unused == 80 - clean


def test_what_cleaning_says_does_not_move_a_photo_into_the_test() -> None:
    """The same photos are held out, whatever is found wrong with some of them."""
    rows = photos("Ana", 200)
    found = [replace(one, clean=n % 3 > 0) for n, one in enumerate(rows)]
    before, after = (run(some)[0]["test"] for some in (rows, found))
    assert [one.image for one in after] == [one.image for one in before]


def test_the_sources_own_test_rows_are_asked_as_they_came() -> None:
    own = [replace(one, held_out=True) for one in uncleaned("Ana", 3, 1000)]
    splits, _ = run([*photos("Ana", 50), *photos("Ana", 5, 500, held_out=True), *own])
    assert Counter(one.clean for one in splits["test"]) == {True: 5, False: 3}
