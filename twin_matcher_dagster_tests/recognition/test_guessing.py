"""What guessing reaches, and when there are too few faces to tell."""

from __future__ import annotations

import pytest

from twin_matcher_dagster.recognition.guessing import LUCKY, beyond_guessing, enough_faces

SIZES = [(people, faces) for people in range(1, 21) for faces in range(1, 11)]


@pytest.mark.parametrize(("people", "faces"), SIZES)
def test_all_right_is_beyond_guessing_or_there_are_too_few(people: int, faces: int) -> None:
    """Three standard errors above a chance of a half are 115% of eight faces."""
    needed = beyond_guessing(1 / people, people * faces)
    enough = enough_faces(1 / people)
    if needed is None:
        assert enough is None or people * faces < enough
    else:
        assert 1 / people < needed <= 1
        assert enough is not None
        assert people * faces >= enough


def test_luck_by_hand() -> None:
    assert beyond_guessing(0.5, 9) is None  # all right: once in 512
    assert beyond_guessing(0.5, 10) == 1  # once in 1,024
    assert enough_faces(0.5) == 10
    assert beyond_guessing(1.0, 50) is None
    assert enough_faces(1.0) is None
    assert beyond_guessing(0.0, 3) == pytest.approx(1 / 3)
    assert beyond_guessing(0.5, 0) is None


def test_of_many_faces_it_is_three_standard_errors() -> None:
    assert beyond_guessing(0.05, 4000) == pytest.approx(
        0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5, abs=5e-4
    )
    assert LUCKY == 700
