"""Answers as JSON: one form for every door, and what is in none."""

from __future__ import annotations

import json

import pytest

from twin_matcher_dagster.api.answers import as_json
from twin_matcher_dagster.release.answers import Answer, ChoiceAnswer, FaceChoice, PairAnswer
from twin_matcher_dagster_tests.api.finders import ANSWER, BEN, CHOICE, MORE, PAIR


@pytest.mark.parametrize("answer", [ANSWER, CHOICE, PAIR, MORE])
def test_every_answer_is_plain_json(
    answer: Answer | FaceChoice | PairAnswer | ChoiceAnswer,
) -> None:
    said = as_json(answer)
    assert json.loads(json.dumps(said)) == said


def test_a_likeness_is_a_percentile_with_its_words_and_never_a_cosine() -> None:
    twin = as_json(ANSWER)["twins"][0]
    assert twin["likeness"] == {"percentile": 97, "words": ANSWER.twins[0].words}
    assert "0.97" not in json.dumps(as_json(ANSWER, None))


def test_a_visitor_has_no_id() -> None:
    assert BEN.identity_id not in json.dumps(as_json(ANSWER))


def test_faces_to_choose_from_have_places() -> None:
    faces = as_json(CHOICE)["faces"]
    assert [face["face"] for face in faces] == [0, 1]
    assert faces[0]["box"]["left"] == 0.1


def test_of_two_the_one_who_is_more_alike_is_named_by_position() -> None:
    assert {name: as_json(MORE)[name] for name in ("more", "sure")} == {"more": 1, "sure": True}
