"""What the prediction page writes for an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.faces.advice import Hint
from twin_matcher_dagster.pages import predict
from twin_matcher_dagster.pages.predict import cards
from twin_matcher_dagster.release.answers import Answer, FaceChoice, TwinCard
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.object_store import ObjectStore

TWIN = TwinCard("c-1", "Ada <b>L", "celebrity", 0.97, ())
HINT = Hint("too dark", "The photo is dark. Face a window or a lamp.")


def answer(sure: bool | None = True, hints: tuple[Hint, ...] = ()) -> Answer:
    return Answer(7, np.zeros((160, 160, 3), np.uint8), None, (TWIN,), sure, hints)


@pytest.mark.parametrize(("sure", "said"), [(True, False), (None, False), (False, True)])
def test_a_twin_that_is_not_sure_is_said_to_be_not_sure(sure: bool | None, said: bool) -> None:
    assert ("Not sure" in cards(answer(sure))) is said


def test_hints_are_shown_above_the_twins() -> None:
    page = cards(answer(hints=(HINT,)))
    assert page.index(HINT.advice) < page.index('class="twins"')
    assert "<b>L" not in page
    assert 'class="note"' not in cards(answer())


CROPS = (np.zeros((160, 160, 3), np.uint8),) * 2


class Asked:
    """A production that has this to say, and notes what it was asked."""

    def __init__(self, said: Answer | FaceChoice) -> None:
        self._said = said
        self.asked: list[tuple[tuple[int, ...], int | None]] = []

    def finder(self) -> Asked:
        return self

    def ask(self, photo: np.ndarray, face: int | None) -> Answer | FaceChoice:
        self.asked.append((photo.shape, face))
        return self._said


def shown(production: Any, photo: Path | bytes | None, face: int | None = None) -> Any:
    return predict.answer(production, photo, face)


def test_a_photo_goes_to_our_own_reader_and_to_the_newest_release() -> None:
    production = Asked(answer())
    html, faces = shown(production, SAMPLE / "photos" / "mira.jpg")
    assert "Ada" in html
    assert faces == ()
    assert production.asked == [((640, 640, 3), None)]
    assert shown(production, None) == ("", ())


def test_no_model_yet_is_explained(store: ObjectStore) -> None:
    html, faces = shown(Production(store), SAMPLE / "photos" / "mira.jpg")
    assert 'class="problem"' in html
    assert "There is no model yet" in html
    assert faces == ()


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (b"", "an empty file"),
        (b"words", "it is text"),
        (bytes(26 * 2**20), "more than 25 MB"),
        (Path("/nowhere/at/all"), "is not there any more"),
    ],
)
def test_a_photo_that_cannot_be_read_is_a_sentence(photo: Path | bytes, words: str) -> None:
    html, faces = shown(Asked(answer()), photo)
    assert words in html
    assert 'role="alert"' in html
    assert faces == ()


def test_several_faces_are_shown_to_choose_from() -> None:
    production = Asked(FaceChoice(7, CROPS, "Several faces were found (2). Choose one of them."))
    html, faces = shown(production, SAMPLE / "photos" / "mira.jpg")
    assert "Choose one of them" in html
    assert len(faces) == 2


def test_an_answer_about_one_of_several_shows_the_others_too() -> None:
    production = Asked(replace(answer(), faces=CROPS, chosen=1))
    assert len(shown(production, SAMPLE / "photos" / "mira.jpg", 1)[1]) == 2
    assert production.asked[0][1] == 1


def test_a_card_says_that_a_person_is_invented() -> None:
    ada = replace(TWIN, about=About(age=30, invented=True))
    assert '<div class="kind">celebrity (invented)</div>' in cards(replace(answer(), twins=(ada,)))
    assert '<div class="kind">celebrity</div>' in cards(answer())
    user = replace(TWIN, kind="user")
    assert '<div class="kind">another visitor</div>' in cards(replace(answer(), twins=(user,)))
