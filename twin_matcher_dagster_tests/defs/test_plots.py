"""Pictures for the Dagster UI, decoded again."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from twin_matcher_dagster.defs.plots import (
    WIDTH,
    _mistaken_most,
    as_markdown,
    class_histogram,
    confusion_matrix,
    face_grid,
    face_grids,
    hardest_confusions,
    learning_curve,
    score_distributions,
)
from twin_matcher_dagster.training.fine_tuning import Epoch

PATTERN = re.compile(r"!\[([^\]\n]*)\]\(data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)\)")
ODD_NAMES = ["$\\frac$ Ana", "<b>Bob</b>", "Zoë_{1", "\\frac", "a" * 300, "]( injected"]


def picture(markdown: str) -> np.ndarray:
    """The one picture that a piece of Markdown carries, and nothing beside it."""
    found = PATTERN.fullmatch(markdown)
    assert found
    image = Image.open(io.BytesIO(base64.b64decode(found[3])))
    assert image.format == found[2].upper()
    return np.asarray(image.convert("RGB")).astype(int)


def bars(markdown: str) -> list[int]:
    """The widths of a histogram's bars in pixels, from the top."""
    red, green, blue = np.moveaxis(picture(markdown), 2, 0)
    widths = ((blue - red > 80) & (blue - green > 80)).sum(1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], widths > 0, [0]]).astype(int)))
    return [int(widths[a:b].max()) for a, b in edges.reshape(-1, 2)]


def test_bytes_survive_in_markdown() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (255, 0, 0)).save(buffer, "PNG")
    assert (picture(as_markdown(buffer.getvalue(), "red")) == [255, 0, 0]).all()


def test_a_histogram_has_a_bar_an_identity_the_largest_first() -> None:
    widths = bars(class_histogram({"Ana": 10, "Bob": 40, "Cleo": 20}))
    assert len(widths) == 3
    assert widths[0] / widths[2] == pytest.approx(4, rel=0.05)
    assert widths[1] / widths[2] == pytest.approx(2, rel=0.05)


def test_long_names_with_one_beginning_are_two_bars() -> None:
    start = "Maria Magdalena dos Santos e "
    assert len(bars(class_histogram({f"{start}Silva": 4, f"{start}Souza": 4}))) == 2


def test_a_histogram_of_thousands_shows_forty() -> None:
    assert len(bars(class_histogram({f"person {n}": 100 + n for n in range(3000)}))) == 40


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_never_a_formula_nor_markdown(name: str) -> None:
    assert len(bars(class_histogram({name: 2, "Ana": 1}))) == 2
    assert picture(confusion_matrix(["1"], ["2"], {"1": name, "2": "Ana"})).size


def test_nobody_is_an_empty_picture() -> None:
    assert bars(class_histogram({})) == []
    assert (picture(face_grid([])) > 250).all()


def test_a_grid_shows_the_faces_in_rows() -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
    faces = [np.full((160, 160, 3), colour, np.uint8) for colour in colours]
    sheet = picture(face_grid(faces, columns=3))
    assert sheet.shape == (192, 288, 3)
    for index, colour in enumerate(colours):
        row, column = divmod(index, 3)
        middle = sheet[96 * row + 48, 96 * column + 48]
        assert np.abs(middle - colour).max() < 12
    assert (sheet[144, 240] > 240).all()  # the last place is empty


def test_a_learning_curve_is_drawn() -> None:
    falling = [Epoch(n, 3 / n, 4 / n, 1 - 1 / n) for n in range(1, 9)]
    flat = [Epoch(n, 3.0, 4.0, 0.5) for n in range(1, 9)]
    first, second = picture(learning_curve(falling)), picture(learning_curve(flat))
    assert first.shape == second.shape
    assert np.abs(first - second).mean() > 0.1


def test_a_learning_curve_without_validation_is_drawn() -> None:
    curve = [Epoch(n, 3 / n, float("nan"), float("nan")) for n in (1, 2)]
    assert picture(learning_curve(curve)).std() > 1


def test_of_many_people_those_who_are_mistaken_most_are_in_the_matrix() -> None:
    """2,000 rows would be a picture of 15 GB."""
    names = {f"{number}": f"Person {number}" for number in range(2000)}
    guessed = [*names]
    guessed[7], guessed[1999] = "3", "3"
    ids, rest = _mistaken_most([*names], guessed, names)
    assert {"3", "7", "1999"} < set(ids)
    assert (len(ids), rest) == (30, 1970)
    assert ids == sorted(ids, key=int)


def test_no_picture_is_wider_than_the_dialog_that_shows_it() -> None:
    names = {f"{number}": f"A person of a long name {number}" for number in range(50)}
    guessed = [*[*names][1:], "0"]
    faces = [np.zeros((160, 160, 3), np.uint8)] * 40
    pictures = [
        class_histogram(dict.fromkeys(names.values(), 3)),
        face_grid(faces),
        face_grids(faces, faces[:3]),
        learning_curve([Epoch(n, 3 / n, 4 / n, 1 - 1 / n) for n in range(1, 9)]),
        confusion_matrix([*names], guessed, names),
        score_distributions(np.linspace(0, 9, 50), np.linspace(-9, 1, 50), "a title " * 20),
        hardest_confusions([(faces[0], faces[1], "somebody, taken for somebody else")] * 5),
    ]
    assert [one for one in pictures if not WIDTH / 2 < picture(one).shape[1] <= WIDTH] == []


def test_a_confusion_matrix_is_dark_where_faces_are_taken_for() -> None:
    names = {"1": "Ana", "2": "Ana"}  # two people of one name
    right = picture(confusion_matrix(["1", "1", "2"], ["1", "1", "2"], names))
    wrong = picture(confusion_matrix(["1", "1", "2"], ["2", "2", "1"], names))
    height, width = right.shape[:2]
    dark = np.argwhere((right - wrong).sum(2) < -150) / [height, width]
    light = np.argwhere((right - wrong).sum(2) > 150) / [height, width]
    # The diagonal goes down to the right: dark where it is right, light where it was wrong.
    assert np.corrcoef(dark.T)[0, 1] > 0.3
    assert np.corrcoef(light.T)[0, 1] < -0.3
