"""Why two faces are alike."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.cohort import cohort_crops, cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import LIKENESS
from twin_matcher_dagster.faces.regions import PARTS, part_masks
from twin_matcher_dagster.recognition.likeness_metric import LikenessMetric, fit_metric
from twin_matcher_dagster.release.shared_features import (
    Why,
    explain_likeness,
    likeness_losses,
    places_without_parts,
)


@pytest.fixture(scope="module")
def metric() -> LikenessMetric:
    return fit_metric(cohort_vectors(LIKENESS))


@pytest.fixture(scope="module")
def strangers() -> np.ndarray:
    return cohort_crops()[:40:2]


@pytest.mark.parametrize("pair", [(0, 4), (1, 5)])
def test_a_part_that_two_faces_have_in_common_gives_more(
    metric: LikenessMetric, strangers: np.ndarray, pair: tuple[int, int]
) -> None:
    """One face gets a part of the other: without it they are as unlike as before."""
    one, other = strangers[list(pair)]
    own = places_without_parts(metric, one)

    def losses(face: np.ndarray) -> np.ndarray:
        return likeness_losses(own, places_without_parts(metric, face))

    before = losses(other)
    gained = {
        part: losses(np.where(mask[..., None], one, other)) - before
        for part, mask in part_masks().items()
    }
    assert min(float(gained[part][n]) for n, part in enumerate(PARTS)) > -0.05
    assert max(float(gained[part][n]) for n, part in enumerate(PARTS)) > 0.1
    most = [int(gained[part].argmax() == n) for n, part in enumerate(PARTS)]
    assert sum(most) >= 3  # by chance one


def test_a_face_shares_all_with_itself(metric: LikenessMetric, strangers: np.ndarray) -> None:
    """Whatever is covered in one of both is missing in the other."""
    why = explain_likeness(metric, strangers[0], strangers[0])
    assert {one.name for one in why.features} == set(PARTS)
    assert sum(one.share for one in why.features) == pytest.approx(1)
    assert min(one.share for one in why.features) > 0


def test_shares_are_ranked_and_shown_on_both_faces(
    metric: LikenessMetric, strangers: np.ndarray
) -> None:
    why = explain_likeness(metric, strangers[0], strangers[1])
    assert isinstance(why, Why)
    shares = [one.share for one in why.features]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1) or sum(shares) == 0
    first, last = (part_masks()[why.features[n].name] for n in (0, -1))
    for crop, shown in ((strangers[0], why.face), (strangers[1], why.portrait)):
        assert (shown.shape, shown.dtype) == ((160, 160, 3), np.uint8)
        kept = [float(shown[mask].mean() / crop[mask].mean()) for mask in (first, last)]
        assert kept[0] > 0.8
        assert kept[1] < 0.7
