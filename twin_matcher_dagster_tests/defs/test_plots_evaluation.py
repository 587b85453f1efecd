"""Pictures of an evaluation, decoded again."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.defs.plots import hardest_confusions, score_distributions
from twin_matcher_dagster_tests.defs.test_plots import ODD_NAMES, picture

NOTHING = np.zeros(0, np.float32)


def columns(markdown: str, colour: str) -> np.ndarray:
    """Columns of a plot in which an area has a colour, blue or amber, or the line around it."""
    red, _, blue = np.moveaxis(picture(markdown)[30:230], 2, 0)
    difference = blue - red if colour == "blue" else red - blue
    return np.flatnonzero((difference > 30).sum(0) > 3)


def scores(middle: float, count: int = 400) -> np.ndarray:
    return np.random.default_rng(0).normal(middle, 0.05, count).astype(np.float32)


def face(*colour: int, size: tuple[int, int] = (160, 160)) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def test_one_person_is_blue_and_two_are_amber_where_their_scores_are() -> None:
    apart = score_distributions(scores(0.8), scores(0.2, 9000), "cosine")
    assert columns(apart, "amber").max() < columns(apart, "blue").min()
    turned = score_distributions(scores(0.2), scores(0.8, 9000), "cosine")
    assert columns(turned, "blue").max() < columns(turned, "amber").min()


def test_few_pairs_of_one_person_are_as_high_as_many_of_two() -> None:
    plot = picture(score_distributions(scores(0.8, 50), scores(0.2, 50_000), "cosine"))[30:230]
    red, _, blue = np.moveaxis(plot, 2, 0)
    blues, ambers = ((difference > 30).sum(0).max() for difference in (blue - red, red - blue))
    assert 0.5 < blues / ambers < 2


@pytest.mark.parametrize("same", [NOTHING, scores(0.8), np.ones(3, np.float32)])
@pytest.mark.parametrize(
    "different", [NOTHING, np.ones(3, np.float32), np.array([-np.inf, np.nan, 0.5], np.float32)]
)
def test_few_scores_or_none_are_drawn(same: np.ndarray, different: np.ndarray) -> None:
    assert picture(score_distributions(same, different, "cosine")).std() > 1


@pytest.mark.parametrize("text", ["", *ODD_NAMES])
def test_a_title_or_caption_is_never_a_formula_nor_markdown(text: str) -> None:
    assert picture(score_distributions(scores(0.8), scores(0.2), text)).size
    assert picture(hardest_confusions([(face(0, 0, 0), face(0, 0, 0), text)])).size


def test_scores_that_hardly_differ_are_drawn() -> None:
    close = np.array([1, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    assert picture(score_distributions(close, close, "cosine")).size


def test_a_probe_stands_beside_its_portrait() -> None:
    items = [
        (face(250, 0, 0), face(0, 0, 250, size=(96, 96)), "red taken for blue"),
        *[(face(0, 200, 0), face(200, 200, 0), f"pair {number}") for number in range(3)],
    ]
    sheet = picture(hardest_confusions(items))
    assert np.abs(sheet[24 + 80, 24 + 80] - [250, 0, 0]).max() < 12
    assert np.abs(sheet[24 + 80, 24 + 162 + 80] - [0, 0, 250]).max() < 12
    red = sheet[..., 0] - sheet[..., 1] > 150
    assert red.sum() == pytest.approx(160 * 160, rel=0.05)
    green = (sheet[..., 1] > 150) & (sheet[..., 0] < 100)
    assert green.sum() == pytest.approx(3 * 160 * 160, rel=0.05)  # the last two in a second row
    assert green[24 + 212 :, :190].any()


def test_a_caption_is_under_its_pair_and_in_two_lines_at_most() -> None:
    sheet = picture(hardest_confusions([(face(9, 9, 9), face(9, 9, 9), "word " * 60)]))
    dark = sheet.max(2) < 128
    assert dark[186:222, 24:346].any()
    dark[24:184, 24:346] = False
    rows, places = np.nonzero(dark)
    assert rows.min() >= 184
    assert rows.max() < 184 + 40
    assert 24 <= places.min() <= places.max() < 346


def test_no_confusion_says_so() -> None:
    sheet = picture(hardest_confusions([]))
    assert (sheet < 128).any()
    assert sheet.shape[0] < 60
