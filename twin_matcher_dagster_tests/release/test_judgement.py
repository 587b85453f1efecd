"""The gates of a release, at every size of a collection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_matcher_dagster.recognition.evaluation import evaluate
from twin_matcher_dagster.release.judgement import judge_found, judge_strangers, unjudged_of
from twin_matcher_dagster.storage.records.index import Figures, Scorers
from twin_matcher_dagster_tests.records import ANA, INDEX, MODEL, STRANGERS

SIZES = [(people, faces) for people in range(2, 21) for faces in range(1, 11)]


def scorers(people: int, faces: int, right: float = 1.0) -> Scorers:
    """So many held-out faces each, of which a share finds its own identity."""
    truth = np.arange(people).repeat(faces)
    guessed = np.where(np.arange(len(truth)) < right * len(truth), truth, (truth + 1) % people)
    names = [f"c-{number:016x}" for number in range(people)]
    scores = np.eye(people, dtype=np.float32)[guessed]
    figures = Figures(**evaluate(scores, truth, names, ["celebrity"] * people).as_dict())
    return Scorers(figures, figures, figures)


@pytest.mark.parametrize(("people", "faces"), SIZES)
def test_a_perfect_score_passes_every_gate(people: int, faces: int) -> None:
    found = judge_found(scorers(people, faces))
    assert found.passed
    assert bool(found.unjudged) == (people ** -(people * faces) > 1 / 700)
    perfect = replace(STRANGERS, same_twin=1.0, agreement=1.0)
    for commonest in (1 / people, 0.5, 0.99, 1.0):
        assert judge_strangers(replace(perfect, commonest=commonest)).passed


@pytest.mark.parametrize(("people", "faces"), [(4, 10), (12, 3), (20, 1)])
def test_guesses_are_refused_with_figures_and_what_to_do(people: int, faces: int) -> None:
    found = judge_found(scorers(people, faces, right=1 / people), {"c-0000000000000001": "Bo"})
    assert not found.passed
    assert f"{faces} of {people * faces} held-out faces" in found.sentence
    for word in ("95% interval", "no guess is from", "RAW_FACES", "EPOCHS"):
        assert word in found.sentence


def test_better_than_guesses_and_yet_bad_is_refused() -> None:
    found = judge_found(scorers(20, 10, right=0.5), {f"c-{10:016x}": "Zoë"})
    assert not found.passed
    assert "should reach 80%" in found.sentence
    assert "Zoë (0%)" in found.sentence


def test_few_wrong_faces_of_few_refuse_nothing() -> None:
    assert judge_found(scorers(2, 1, right=0.5)).passed
    assert judge_found(scorers(3, 1, right=0.3)).passed
    assert not judge_found(scorers(3, 1, right=0.0)).passed


def test_without_held_out_faces_it_says_which_setting_holds_some_out() -> None:
    found = judge_found(None)
    assert found.passed
    assert found.unjudged == found.sentence
    assert "MIN_FACES" in found.sentence


def test_strangers_served_badly_are_refused_with_figures() -> None:
    chance = judge_strangers(replace(STRANGERS, same_twin=0.1, commonest=0.1))
    assert not chance.passed
    assert "chance gives up to" in chance.sentence
    unlike = judge_strangers(replace(STRANGERS, agreement=0.1))
    assert not unlike.passed
    assert "at least 0.2" in unlike.sentence
    assert "RAW_FACES" in unlike.sentence
    assert judge_strangers(STRANGERS).passed
    assert judge_strangers(None).passed


def test_everything_that_is_open_has_a_sentence() -> None:
    many = replace(INDEX, figures=scorers(24, 8))
    assert unjudged_of(many, MODEL, {f"c-{n}": 8 for n in range(24)}) == ()
    few = replace(INDEX, figures=None)
    told = unjudged_of(few, replace(MODEL, newcomers=None), {ANA: 1, "c-2": 0})
    assert len(told) == 4
    assert [sentence.endswith(".") for sentence in told] == [True] * 4
