"""Reviews: a person's table is read strictly, and what it says counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.celebrities import curation as curating
from twin_matcher_dagster.celebrities import review_table as reviews
from twin_matcher_dagster.celebrities.curation import Curation, curate
from twin_matcher_dagster.celebrities.findings import (
    LOOKS_LIKE,
    NO_FACE,
    SAME_IMAGE,
    Finding,
    InspectedImage,
)
from twin_matcher_dagster.celebrities.review_table import (
    read_reviews,
    read_table,
    write_reviews,
    write_table,
)
from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.errors import ReviewError
from twin_matcher_dagster.storage.records.celebrities import ReviewDecision
from twin_matcher_dagster_tests.celebrities.test_cleaning import collection

A, B, C = ("a" * 64, "b" * 64, "0" * 63 + "c")


def table(*lines: str) -> bytes:
    return "\n".join(["image,decision,note", *lines]).encode()


def test_decisions_are_read() -> None:
    data = table(f"{A},keep,it is her", f"{B}, drop ,", f"{C},label= Elizabeth__Olsen ,", f"{A},,")
    assert read_reviews(data) == [
        ReviewDecision(A, "keep", "it is her"),
        ReviewDecision(B, "drop"),
        ReviewDecision(C, "label=Elizabeth Olsen"),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (table(f"{A},keep,", f"{B},maybe,"), "Line 3: 'maybe' is not keep, drop or label=NAME"),
        (table("abc,keep,"), "Line 2: 'abc' is no SHA-256"),
        (table(f"{A},label= _ ,"), "Line 2: the name after label= is missing"),
        (table(f"{A},keep,", f"{A},drop,"), "Line 3: another decision of this image"),
        (b"image;decision\n", "no column decision and no column image"),
        (b"", "no column decision and no column image"),
        (b"\xff\xfe\x00", "no CSV file in UTF-8"),
        (table(f'{A},keep,"open'), "no CSV file in UTF-8"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_line(data: bytes, message: str) -> None:
    with pytest.raises(ReviewError, match=message.replace("(", r"\(")):
        read_reviews(data)


FINDING = st.builds(
    Finding,
    image=st.sampled_from([A, B, C]),
    label=st.text(max_size=20),
    identity_id=st.just("c-1"),
    reason=st.sampled_from([LOOKS_LIKE, NO_FACE]),
    value=st.floats(-1, 1, width=32),
    limit=st.floats(-1, 1, width=32),
    other=st.sampled_from(["", "c-2"]),
    decision=st.sampled_from(["", "keep", "drop", "label=Zoë Ñandú"]),
)


@given(findings=st.lists(FINDING, max_size=5, unique_by=lambda one: one.image))
def test_a_table_comes_back_as_it_went(findings: list[Finding]) -> None:
    assert read_table(write_table(findings)) == findings
    decided = {one.image: one.decision for one in findings if one.decision}
    back = read_reviews(write_reviews(findings, {A: "a, note"}))
    assert {one.image: one.decision for one in back} == decided
    assert all(one.note == ("a, note" if one.image == A else "") for one in back)


def astray() -> list[InspectedImage]:
    """A collection in which one face of Person 0 is called Person 4."""
    seen = collection()
    seen[3] = InspectedImage("astray", "Person 4", "c-4", vector=seen[3].vector, photo=3)
    return seen


def images(curated: Curation) -> set[tuple[str, str]]:
    return {(one.image, one.identity_id) for one in curated.kept}


def test_without_a_decision_a_finding_counts() -> None:
    curated = curate(astray())
    assert ("astray", "c-4") not in images(curated)
    assert [(one.image, one.reason, one.decision) for one in curated.table] == [
        ("astray", LOOKS_LIKE, "")
    ]


def test_keep_overrides_a_finding_and_stays_in_the_table() -> None:
    curated = curate(astray(), [ReviewDecision("astray", "keep")])
    assert ("astray", "c-4") in images(curated)
    assert [(one.reason, one.decision) for one in curated.table] == [(LOOKS_LIKE, "keep")]


def test_drop_takes_out_what_nothing_was_found_in() -> None:
    curated = curate(collection(), [ReviewDecision("1-5", "drop")])
    assert "1-5" not in {one.image for one in curated.kept}
    assert [(one.image, one.reason) for one in curated.table] == [("1-5", curating.LEFT_OUT)]


def test_a_new_label_moves_an_image() -> None:
    curated = curate(astray(), [ReviewDecision("astray", "label=Elizabeth Olsen")])
    assert ("astray", celebrity_id("elizabeth  olsen")) in images(curated)
    assert [(one.label, one.reason) for one in curated.table] == [
        ("Elizabeth Olsen", curating.RENAMED)
    ]


def test_no_face_cannot_be_kept() -> None:
    seen = [*collection(), InspectedImage("blank", "Person 0", "c-0", trouble=NO_FACE)]
    curated = curate(seen, [ReviewDecision("blank", "keep")])
    assert "blank" not in {one.image for one in curated.kept}
    assert [(one.reason, one.decision) for one in curated.table] == [(NO_FACE, "keep")]


def test_decisions_about_unknown_images_are_reported() -> None:
    curated = curate(collection(), [ReviewDecision(A, "keep")])
    assert [one.image for one in curated.unknown] == [A]
    assert [(one.image, one.reason) for one in curated.table] == [(A, curating.UNKNOWN)]


def test_the_same_row_again_counts_once_and_the_held_out_one_stays() -> None:
    seen = collection()
    again = replace(seen[0], split="test")
    curated = curate([*seen, again])
    kept = [one for one in curated.kept if one.image == seen[0].image]
    assert [one.split for one in kept] == ["test"]
    assert [one.reason for one in curated.table] == [SAME_IMAGE]


def test_decisions_outlive_a_round_trip_through_the_table() -> None:
    """What was decided is in the next table, so that the next import does not take it back."""
    decisions = [
        ReviewDecision("1-5", "drop"),
        ReviewDecision("astray", "keep"),
        ReviewDecision(A, "drop"),
    ]
    curated = curate(astray(), decisions)
    assert {one.image: one.decision for one in curated.table} == {
        one.image: one.decision for one in decisions
    }
    assert reviews.KEEP in {one.decision for one in curated.table}
