"""What the prediction page says to a question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.faces.advice import Hint
from twin_matcher_dagster.faces.single_face import PhotoOfSeveral
from twin_matcher_dagster.pages.answer_view import (
    MORE,
    SHOWN,
    AnswerView,
    answer_view,
    pair_view,
    why_view,
)
from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster.pages.predict import Desk, TwinQuestion
from twin_matcher_dagster.pages.visitor_photos import VisitorPhotos
from twin_matcher_dagster.release.answers import Answer, FaceChoice, PairAnswer, TwinCard
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.shared_features import SharedFeature, Why
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.object_store import ObjectStore

FACE = np.zeros((160, 160, 3), np.uint8)
TWIN = TwinCard("c-1", "Ada <b>L", "celebrity", 0.97, ())
HINT = Hint("too dark", "The photo is dark. Face a window or a lamp.")
SCENE = PhotoOfSeveral(
    np.zeros((90, 120, 3), np.uint8), [(0.6, 0.2, 0.2, 0.3), (0.1, 0.2, 0.2, 0.3)]
)
WORDS = words_in("en")


def answer(sure: bool | None = True, hints: tuple[Hint, ...] = ()) -> Answer:
    return Answer(7, FACE, None, (TWIN,), sure, hints, among=1)


def html(found: Answer, language: str = "en") -> str:
    return answer_view(found, words_in(language)).answer


@pytest.mark.parametrize(("sure", "said"), [(True, False), (None, False), (False, True)])
def test_a_twin_that_is_not_sure_is_said_to_be_not_sure(sure: bool | None, said: bool) -> None:
    assert ("Not sure" in html(answer(sure))) is said


def test_hints_stand_below_and_names_are_escaped() -> None:
    page = html(answer(hints=(HINT,)))
    assert '<p class="hint">The photo is dark. Face a window or a lamp.</p>' in page
    assert "Ada &lt;b&gt;L" in page
    assert "<b>L" not in page
    assert 'class="hint"' not in html(answer())
    assert "Das Foto ist dunkel." in html(answer(hints=(HINT,)), "de")


@pytest.mark.parametrize(
    ("likeness", "heading", "percent"),
    [
        (0.999, "Strikingly alike", "99"),
        (1.0, "Strikingly alike", "99"),
        (0.96, "Very alike", "96"),
        (0.85, "Alike", "85"),
        (0.5, "Nobody here is close", "50"),
        (None, "Your twin", None),
    ],
)
def test_likeness_is_words_and_a_share_of_pairs(
    likeness: float | None, heading: str, percent: str | None
) -> None:
    page = html(replace(answer(), twins=(replace(TWIN, likeness=likeness),)))
    assert f">{heading}</h2>" in page
    assert ('class="ring"' in page) is (percent is not None)
    if percent:
        assert f"<strong>{percent}</strong>" in page


def test_who_is_known_is_told_so() -> None:
    page = html(replace(answer(), identity=replace(TWIN, label="Jo & Co", kind="user")))
    assert "This is you: Jo &amp; Co." in page


def test_nobody_of_a_kind_is_said() -> None:
    shown = answer_view(replace(answer(), twins=(), among=0), WORDS, "user")
    assert "nobody of this kind" in shown.answer
    assert shown.about == ""


def test_a_card_says_who_somebody_is() -> None:
    about = About(
        age=30,
        occupation="potter",
        biography="Fires <i>bowls</i>.",
        height="1.80 m",
        link="https://example.org/a?b=1",
        invented=True,
    )
    page = answer_view(replace(answer(), twins=(replace(TWIN, about=about),)), WORDS).about
    assert "celebrity (invented)" in page
    assert "30, potter" in page
    assert "Fires &lt;i&gt;bowls&lt;/i&gt;." in page
    assert "<dt>Height</dt><dd>1.80 m</dd>" in page
    assert 'href="https://example.org/a?b=1"' in page
    assert "celebrity</p>" in answer_view(answer(), WORDS).about
    user = replace(answer(), twins=(replace(TWIN, kind="user"),))
    assert "another visitor" in answer_view(user, WORDS).about


def test_more_is_offered_where_there_is_more() -> None:
    others = replace(answer(), twins=(TWIN, replace(TWIN, label="Bo")))
    assert 'data-do="more"' not in answer_view(replace(others, among=2), WORDS).others
    page = answer_view(replace(others, among=3), WORDS, "celebrity").others
    assert 'data-do="more"' in page
    assert 'data-kind="celebrity" aria-pressed="true"' in page
    assert "Bo" in page
    assert "Ada" not in page


def test_why_names_the_parts_that_are_shared() -> None:
    parts = (SharedFeature("nose", 0.7), SharedFeature("jaw", 0.3), SharedFeature("mouth", 0.0))
    page = why_view(Why(parts, FACE, FACE), WORDS)
    assert page.index("nose") < page.index("jaw")
    assert "mouth" not in page
    assert why_view(None, WORDS) == ""


@pytest.mark.parametrize(("same", "heading"), [(True, "one and the same"), (False, "Very alike")])
def test_two_faces_are_compared(same: bool, heading: str) -> None:
    page = pair_view(PairAnswer(7, (FACE, FACE), same, 0.97, ((HINT,), (HINT,))), WORDS)
    assert heading in page
    assert page.count(HINT.advice) == 1


class Asked:
    """A production that has this to say, and notes what it was asked."""

    number = 7

    def __init__(self, said: Answer | FaceChoice) -> None:
        self._said = said
        self.asked: list[Any] = []

    def finder(self) -> Asked:
        return self

    def ask(self, photos: list[np.ndarray], *how: Any) -> Answer | FaceChoice:
        self.asked.append(([photo.shape for photo in photos], *how))
        return self._said

    def compare_within(self, photo: np.ndarray, one: int, other: int) -> PairAnswer:
        self.asked.append((one, other))
        return PairAnswer(7, (FACE, FACE), False, 0.5, ((), ()))


def asked(production: Any, photos: list[bytes], **how: Any) -> AnswerView:
    """What the page shows for a question about these photos."""
    given = VisitorPhotos()
    tokens = tuple(given.keep(photo) for photo in photos)
    return Desk(production, given).answer(TwinQuestion(tokens, **how), WORDS)[1]


MIRA = (SAMPLE / "photos" / "mira.jpg").read_bytes()


def test_a_photo_goes_to_our_own_reader_and_to_the_newest_release() -> None:
    production = Asked(answer())
    shown = asked(production, [MIRA], kind="user", top=12)
    assert "Ada" in shown.answer
    assert shown.scene == ""
    assert production.asked == [([(640, 640, 3)], None, 12, "user")]


def test_several_faces_are_boxed_from_left_to_right() -> None:
    choice = FaceChoice(7, (FACE, FACE), "Several faces were found (2). Choose one of them.", SCENE)
    shown = asked(Asked(choice), [MIRA])
    assert shown.answer == ""
    assert "Choose one of them" in shown.scene
    assert shown.scene.index('data-face="1"') < shown.scene.index('data-face="0"')
    assert "left: 10.00%; top: 20.00%; width: 20.00%; height: 30.00%" in shown.scene
    assert "Compare these two" in shown.scene


def test_of_a_chosen_face_the_others_stay() -> None:
    production = Asked(replace(answer(), scene=SCENE, chosen=1))
    shown = asked(production, [MIRA], face=1)
    assert 'data-face="1" aria-pressed="true"' in shown.scene
    assert "Ada" in shown.answer


def test_two_people_of_a_photo_are_compared_with_one_another() -> None:
    production = Asked(answer())
    shown = asked(production, [MIRA], pair=(1, 0))
    assert production.asked == [(1, 0)]
    assert "Not very alike" in shown.answer


def test_no_model_yet_is_explained(store: ObjectStore) -> None:
    shown = asked(Production(store), [MIRA])
    assert 'class="problem" role="alert"' in shown.answer
    assert "There is no model yet" in shown.answer


@pytest.mark.parametrize(
    ("photos", "words"),
    [([b""], "an empty file"), ([b"words"], "it is text"), ([], "There is no photo.")],
)
def test_a_photo_that_cannot_be_read_is_a_sentence(photos: list[bytes], words: str) -> None:
    shown = asked(Asked(answer()), photos)
    assert words in shown.answer
    assert 'role="alert"' in shown.answer


def test_an_example_is_a_photo_of_ours() -> None:
    production: Any = Asked(answer())
    desk = Desk(production, VisitorPhotos())
    assert len(desk.examples) == 5
    assert "Ada" in desk.answer(TwinQuestion(example=4), WORDS)[1].answer
    assert "no photo" in desk.answer(TwinQuestion(example=5), WORDS)[1].answer


BEFORE = TwinQuestion(("a",), face=1, kind="user", top=12)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ({"tokens": ["b", "c"]}, TwinQuestion(("b", "c"))),
        ({"tokens": list("abcdefghij")}, TwinQuestion(tuple("abcdefgh"))),
        ({"example": 3}, TwinQuestion(example=3)),
        ({"example": -3}, TwinQuestion(example=0)),
        ({"face": 2}, replace(BEFORE, face=2, top=SHOWN)),
        ({"kind": "celebrity"}, replace(BEFORE, kind="celebrity", top=SHOWN)),
        ({"kind": "<script>"}, replace(BEFORE, kind="", top=SHOWN)),
        ({"more": True}, replace(BEFORE, top=12 + MORE)),
        ({"pair": [0, 2]}, replace(BEFORE, pair=(0, 2))),
    ],
)
def test_a_question_goes_on_with_the_one_before(said: dict[str, Any], asked: TwinQuestion) -> None:
    assert TwinQuestion.of(said, BEFORE) == asked


@pytest.mark.parametrize("said", [{"face": "x"}, {"pair": [1]}, {"tokens": 3}, {"example": None}])
def test_what_makes_no_sense_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(MediaError):
        TwinQuestion.of(said, None)
