"""Names: one identity however its name is written, and never more than it says."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ulid import ULID

from twin_matcher_dagster.dataset.identity import best_spelling, celebrity_id, tidy
from twin_matcher_dagster.storage.records.parts import user_id

# Letters of scripts that have case, where upper and lower case are one to one.
WORDS = st.text(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzåäöéñçàčşżаяжαβγ"), min_size=1, max_size=8
)
GAPS = st.text(st.sampled_from(" _\t\u00a0\u3000\n"), min_size=1, max_size=3)


@pytest.mark.parametrize(
    "other",
    [
        "mira okonkwo",
        "MIRA_OKONKWO",
        " Mira  Okonkwo ",
        "Mira__Okonkwo\n",
        "Mira\u00a0Okonkwo",
        "\uff2dira Okonkwo",  # a full-width M
        "Mira\uff3fOkonkwo",  # a full-width underscore
    ],
)
def test_spellings_are_one_identity(other: str) -> None:
    assert celebrity_id(other) == celebrity_id("Mira Okonkwo")
    assert tidy(other).casefold() == "mira okonkwo"


def test_composed_and_decomposed_accents_are_one_identity() -> None:
    composed, decomposed = "Zoë", "Zoe\u0308"
    assert composed != decomposed
    assert celebrity_id(composed) == celebrity_id(decomposed)
    assert tidy(decomposed) == composed


def test_accents_tell_people_apart_and_are_kept() -> None:
    assert tidy("Zoë_Ñandú") == "Zoë Ñandú"
    assert len({celebrity_id(name) for name in ("Jose", "José", "Josè")}) == 3


@given(words=st.lists(WORDS, min_size=1, max_size=4), data=st.data())
def test_case_and_spacing_never_matter(words: list[str], data: st.DataObject) -> None:
    written = "".join(
        data.draw(GAPS) + data.draw(st.sampled_from([w, w.upper(), w.title()])) for w in words
    )
    assert celebrity_id(written) == celebrity_id(" ".join(words))


@given(first=st.lists(WORDS, min_size=1, max_size=3), second=st.lists(WORDS, min_size=1))
def test_other_words_are_another_identity(first: list[str], second: list[str]) -> None:
    assume(first != second)
    assert celebrity_id("_".join(first)) != celebrity_id(" ".join(second))


@given(name=st.text())
def test_tidy_names_stay_and_have_no_odd_space(name: str) -> None:
    once = tidy(name)
    assert tidy(once) == once
    assert "_" not in once
    assert "  " not in once
    assert once == once.strip()
    assert unicodedata.is_normalized("NFKC", once)


@given(name=st.text())
def test_an_id_says_nothing_of_the_name(name: str) -> None:
    assert re.fullmatch(r"c-[0-9a-f]{16}", celebrity_id(name))


def test_ids_never_change() -> None:
    """Classes of stored data sets: another way to make ids would double every identity."""
    assert celebrity_id("Mira Okonkwo") == "c-ce85e9b6f56ed364"


def test_a_user_is_not_the_celebrity_of_that_name() -> None:
    upload_id = str(ULID())
    assert user_id(upload_id) == f"u-{upload_id}"


def test_the_most_frequent_spelling_wins() -> None:
    names = ["MIRA OKONKWO", "Mira_Okonkwo", " Mira Okonkwo", "mira okonkwo"]
    assert best_spelling(names) == "Mira Okonkwo"
    assert best_spelling(reversed(names)) == "Mira Okonkwo"
    assert best_spelling(["b", "a"]) == best_spelling(["a", "b"]) == "a"
