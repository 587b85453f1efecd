"""Erasure codes: made to be copied by hand, and stored as a hash alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.uploads.erasure_code import erasure_hash, new_erasure_code
from twin_matcher_dagster_tests.records import OTHER, UPLOAD

CODE = "ABCDE-FGH0K-MN1QR-STV2X"


def test_a_code_is_twenty_characters_that_nobody_takes_for_one_another() -> None:
    codes = {new_erasure_code() for _ in range(500)}
    assert len(codes) == 500
    group = "[0-9A-HJKMNP-TV-Z]{5}"
    assert all(re.fullmatch(f"{group}(-{group}){{3}}", one) for one in codes)
    # All characters come up, so that there are 32 to the power of 20 codes: 100 bits.
    assert len(set("".join(codes)) - {"-"}) == 32


@pytest.mark.parametrize(
    "typed",
    [
        CODE.lower(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        f"  {CODE}\n",
        CODE.replace("0", "O").replace("1", "l"),
        CODE.replace("0", "o").replace("1", "I"),
    ],
)
def test_a_code_is_the_same_however_it_is_typed(typed: str) -> None:
    assert erasure_hash(UPLOAD, typed) == erasure_hash(UPLOAD, CODE)


def test_another_code_and_another_upload_have_another_hash() -> None:
    assert erasure_hash(UPLOAD, CODE) != erasure_hash(UPLOAD, CODE[::-1])
    assert erasure_hash(UPLOAD, CODE) != erasure_hash(OTHER, CODE)


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_hash_says_nothing_of_the_code(code: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", erasure_hash(UPLOAD, code))
