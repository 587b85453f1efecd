"""What the prediction page writes for an answer."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.advice import Hint
from twin_matcher_dagster.pages.predict import cards
from twin_matcher_dagster.release.answers import Answer, TwinCard

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
