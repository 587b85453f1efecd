"""Balancing: the same number of faces an identity, and no photo in two splits."""

from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.identities.balancing import BalancePlan, BalanceReport, balance
from twin_matcher_dagster.identities.names import celebrity_id
from twin_matcher_dagster.identities.schema import Face, RawFace

SMALL = BalancePlan(train_faces=6, held_out_faces=2, held_out_share=0.2, min_faces=3)


def photos(label: str, count: int, split: str = "train") -> list[RawFace]:
    return [RawFace(f"{label} {split} {n}".encode(), label, split) for n in range(count)]


def crop(image: bytes) -> bytes | None:
    """Stands for the detector: some images are corrupt."""
    return None if image.startswith(b"corrupt") else b"crop of " + image


def run(
    rows: list[RawFace], plan: BalancePlan | None = None
) -> tuple[dict[str, list[Face]], BalanceReport]:
    report = BalanceReport()
    faces = list(balance(rows, crop, plan or BalancePlan(), report))
    splits = {name: [f for f in faces if f.split == name] for name in ("train", "validation")}
    return {**splits, "test": [f for f in faces if f.split == "test"]}, report


def sizes(splits: dict[str, list[Face]]) -> tuple[int, int, int]:
    return len(splits["train"]), len(splits["validation"]), len(splits["test"])


def test_a_large_identity_is_cut_to_85() -> None:
    splits, report = run(photos("Ana", 730))
    assert sizes(splits) == (85, 10, 10)
    assert report.kept == {"Ana": 105}
    assert report.dropped["more than wanted"] == 730 - 105


def test_a_small_identity_holds_out_its_share() -> None:
    splits, _ = run(photos("Ana", 50))
    assert sizes(splits) == (38, 6, 6)


def test_the_sources_own_test_rows_stay_in_test() -> None:
    own = photos("Ana", 25, "test")
    splits, _ = run([*photos("Ana", 300), *own])
    assert sizes(splits) == (85, 10, 25)
    assert {face.image for face in splits["test"]} == {crop(row.image) for row in own}


def test_an_image_that_comes_again_is_used_once() -> None:
    """Whichever split it comes again in, and under whichever name."""
    shared = photos("Ana", 20)
    again = [RawFace(row.image, "Bob", "test") for row in shared]
    splits, report = run([*shared, *again, *photos("Bob", 20)])
    images = [face.image for faces in splits.values() for face in faces]
    assert len(images) == len(set(images)) == 40
    assert report.dropped["same image again"] == 20


def test_corrupt_images_are_counted_and_replaced() -> None:
    rows = [*photos("Ana", 12), *(RawFace(f"corrupt {n}".encode(), "Ana", "train") for n in (1, 2))]
    splits, report = run(rows, SMALL)
    assert sizes(splits) == (6, 2, 2)
    assert report.dropped["no face"] <= 2
    assert report.kept["Ana"] + report.dropped.total() == len(rows)


def test_rows_without_image_or_label_are_counted() -> None:
    rows = [*photos("Ana", 20), RawFace(b"", "Ana", "train"), *photos(" _ ", 2)]
    splits, report = run(rows)
    assert sum(sizes(splits)) == 20
    assert report.dropped == {"no image": 1, "no label": 2, "more than wanted": 0}


def test_identities_with_too_few_faces_are_left_out() -> None:
    corrupt = [RawFace(f"corrupt {n}".encode(), "Bob", "train") for n in range(5)]
    splits, report = run([*photos("Ana", 8), *photos("Bob", 7), *corrupt])
    assert set(report.kept) == {"Ana"}
    assert {face.label for faces in splits.values() for face in faces} == {"Ana"}
    assert report.dropped["identity with too few faces"] == 7
    assert report.dropped["no face"] == 5


def test_spellings_are_one_identity_with_one_label() -> None:
    rows = [*photos("MIRA_OKONKWO", 4), *photos("Mira Okonkwo", 9), *photos(" mira  okonkwo", 3)]
    splits, report = run(rows)
    faces = [face for faces in splits.values() for face in faces]
    assert report.kept == {"Mira Okonkwo": 16}
    assert {face.identity_id for face in faces} == {celebrity_id("Mira Okonkwo")}
    assert {face.label for face in faces} == {"Mira Okonkwo"}
    assert {(face.kind, face.upload_id) for face in faces} == {("celebrity", "")}


def test_the_choice_is_fixed_by_the_seed() -> None:
    rows = photos("Ana", 400)
    assert run(rows) == run(rows)
    other, _ = run(rows, BalancePlan(seed=1))
    mine, _ = run(rows)
    assert sizes(other) == sizes(mine)
    assert {face.image for face in other["train"]} != {face.image for face in mine["train"]}


def test_progress_grows_to_one() -> None:
    seen: list[float] = []
    rows = [*photos("Ana", 9), *photos("Bob", 9)]
    list(balance(rows, crop, SMALL, BalanceReport(), seen.append))
    assert seen == [0.0, 0.5, 1.0]


ROW = st.builds(
    RawFace,
    image=st.integers(0, 40).map(lambda n: (b"corrupt %d" if n % 7 == 0 else b"photo %d") % n),
    label=st.sampled_from(["Ana", "ANA", "Bob", "", "Zoë"]),
    split=st.sampled_from(["train", "test", "validation"]),
)


@given(rows=st.lists(ROW, max_size=60), seed=st.integers(0, 5))
def test_every_row_is_used_once_or_counted_as_left_out(rows: list[RawFace], seed: int) -> None:
    plan = BalancePlan(train_faces=6, held_out_faces=2, held_out_share=0.2, min_faces=3, seed=seed)
    splits, report = run(rows, plan)
    faces = [face for faces in splits.values() for face in faces]
    digests = [hashlib.sha256(face.image).digest() for face in faces]
    assert len(digests) == len(set(digests))
    assert len(faces) == report.kept.total()
    assert report.kept.total() + report.dropped.total() == len(rows)
    assert all(count <= 6 for count in Counter(f.identity_id for f in splits["train"]).values())
    own = {crop(row.image) for row in rows if row.split == "test"}
    free = {crop(row.image) for row in rows if row.split != "test"}
    assert {face.image for face in splits["train"]} <= free
    assert {face.image for face in splits["test"]} <= own | free
