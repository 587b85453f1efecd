"""The card of a model: what was measured, and what could not be judged."""

from __future__ import annotations

from dataclasses import asdict, replace

import yaml

from twin_matcher_dagster.publication.cards import ModelFigures, model_card
from twin_matcher_dagster_tests.records import FIGURES

OPEN = "Whether faces find their own identity: no face is held out."
CARD = ModelFigures(
    people=24,
    users=1,
    backbone="bundled",
    held_out=asdict(FIGURES),
    other_clips=None,
    unjudged=(),
    license="other",
)


def test_what_was_measured_is_a_table() -> None:
    card = model_card(CARD)
    assert "On 189 held-out faces" in card
    assert "| the person is among the five most similar | 99.5% |\n| the most similar one" in card
    assert "Not judged" not in card


def test_among_the_five_of_five_people_everybody_is() -> None:
    card = model_card(replace(CARD, held_out=asdict(replace(FIGURES, identities=5))))
    assert "among the five" not in card
    assert "| the person is the most similar one | 98.9% |\n| the most similar one" in card


def test_without_a_held_out_face_it_says_so() -> None:
    card = model_card(replace(CARD, held_out=None, unjudged=(OPEN, "And this.")))
    assert "Nothing: no face of the people it knows was held out." in card
    assert f"### Not judged\n\n- {OPEN}\n- And this.\n" in card
    head = yaml.safe_load(card.split("\n---", 1)[0])["twin_matcher"]
    assert (head["held_out"], head["unjudged"]) == (None, [OPEN, "And this."])


def test_the_card_of_a_model_says_that_its_celebrities_are_invented() -> None:
    plain, invented = model_card(CARD), model_card(replace(CARD, invented=True))
    assert "invented**: rendered people" in invented
    assert "rendered people" not in plain
    # Nothing else differs but the flag in the head.
    assert len(invented.splitlines()) == len(plain.splitlines()) + 2
