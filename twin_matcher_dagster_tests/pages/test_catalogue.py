"""Texts in the visitor's language: every language says all of it."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Any

import pytest

from twin_matcher_dagster import clip_refusals, door_refusals, refusals
from twin_matcher_dagster.faces.regions import PARTS
from twin_matcher_dagster.pages.catalogue import ENGLISH, languages, preferred, words_in
from twin_matcher_dagster.refusals import Fault, Refusal
from twin_matcher_dagster.release.invented import INVENTED_NOTE
from twin_matcher_dagster.uploads.decisions import PLEAS
from twin_matcher_dagster.uploads.status_words import SENTENCES, TITLES

OTHERS = [language for language in languages() if language != ENGLISH]


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def sentences(said: Any) -> Iterator[str]:
    """All sentences that a refusal can say."""
    if isinstance(said, Refusal):
        yield from (said.cause, said.way_out)
    elif isinstance(said, Fault):
        yield said.camera
        for part in (said.hint, said.clip, said.photos):
            yield from sentences(part)
    elif isinstance(said, dict):
        for part in said.values():
            yield from sentences(part)


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_there_with_the_same_figures(language: str) -> None:
    english, words = words_in(ENGLISH), words_in(language)
    assert set(words.texts) == set(english.texts)
    assert {key: places(text) for key, text in words.texts.items()} == {
        key: places(text) for key, text in english.texts.items()
    }
    for sentence, translated in words.sentences.items():
        assert places(translated) <= places(sentence), sentence


@pytest.mark.parametrize("language", OTHERS)
def test_every_refusal_is_said_in_it(language: str) -> None:
    known = words_in(language).sentences
    for module in (refusals, clip_refusals, door_refusals):
        for name, said in vars(module).items():
            missing = set(sentences(said)) - set(known)
            assert not missing, f"{name}: {missing}"
    assert {INVENTED_NOTE, *PARTS} <= set(known)
    assert set(sentences(dict(PLEAS))) <= set(known)
    assert {*TITLES.values(), *SENTENCES.values()} <= set(known)


def test_figures_stay_in_their_places() -> None:
    words = words_in("de")
    english = refusals.PHOTO_TOO_LARGE(megabytes=30, limit=25)
    assert words.said(english).startswith("Das Foto hat 30 MB, mehr als 25 MB.")
    assert words.said("Nobody said this. No face was found.") == (
        "Nobody said this. Es wurde kein Gesicht gefunden."
    )
    assert words_in(ENGLISH).said(english) == english


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,de;q=0.3", "en"),
        ("fr, de;q=0.5, en;q=0.4", "de"),
        ("de;q=0", "en"),
        ("de;q=x", "en"),
    ],
)
def test_the_language_is_the_browsers(header: str, language: str) -> None:
    assert preferred(header) == language


def test_templates_escape() -> None:
    words = words_in(ENGLISH)
    page = words.render("message.html", kind="problem", lines=["<script>", "<b>"])
    assert not re.search("<script>|<b>", page)
