"""Parts of an aligned face."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.cohort import cohort_crops
from twin_matcher_dagster.faces.regions import (
    PART_PIXELS,
    PARTS,
    covered,
    highlighted,
    part_masks,
)
from twin_matcher_dagster_tests.faces.test_alignment import TEMPLATE


def test_parts_are_equally_large_apart_from_one_another_and_symmetrical() -> None:
    masks = part_masks()
    assert tuple(masks) == PARTS
    assert {int(mask.sum()) for mask in masks.values()} == {PART_PIXELS}
    assert np.sum(list(masks.values()), axis=0).max() == 1
    assert all(np.array_equal(mask, mask[:, ::-1]) for mask in masks.values())


@pytest.mark.parametrize(
    ("point", "part"),
    [(0, "eyes and brows"), (1, "eyes and brows"), (2, "nose"), (3, "mouth"), (4, "mouth")],
)
def test_a_landmark_is_in_its_part(point: int, part: str) -> None:
    x, y = TEMPLATE[point].round().astype(int)
    assert part_masks()[part][y, x]


@pytest.mark.parametrize("part", PARTS)
def test_only_the_part_is_covered(part: str) -> None:
    crop = cohort_crops()[0]
    mask = part_masks()[part]
    average = cohort_crops()[2:].mean(0)
    changed = np.abs(covered(crop, part, average).astype(int) - crop).max(2)
    assert changed[mask].mean() > 5 * changed[~mask].mean()
    assert np.array_equal(covered(crop, part, crop.astype(float)), crop)


def test_what_covers_has_the_colour_of_the_face() -> None:
    dark = cohort_crops()[0] // 3
    nose = part_masks()["nose"]
    patch = covered(dark, "nose", cohort_crops().mean(0))[nose]
    assert patch.mean() == pytest.approx(dark[nose].mean(), abs=25)


def test_what_is_highlighted_stays_and_the_rest_is_dimmed() -> None:
    crop = np.full((160, 160, 3), 200, np.uint8)
    shown = highlighted(crop, ["nose"])
    assert shown.dtype == np.uint8
    assert shown[98, 80].min() > 195
    assert shown[30, 30].max() < 70
    assert highlighted(crop, []).max() < 70
