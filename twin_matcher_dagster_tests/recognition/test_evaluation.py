"""Figures on held-out faces, against what can be counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.evaluation import (
    VerificationFigures,
    calibration_error,
    evaluate,
    leave_out,
    margins,
    open_set,
    ranks,
    shares,
    threshold_at,
    verification,
)

# Four probes of three identities; the third ties with another, the fourth is taken for another.
SCORES = np.array([[0.9, 0.1, 0.2], [0.8, 0.3, 0.1], [0.5, 0.5, 0.0], [0.7, 0.2, 0.6]], np.float32)
TRUTH = np.array([0, 0, 1, 2])
WHO, KINDS = ["c-ana", "c-bob", "u-cleo"], ["celebrity", "celebrity", "user"]


def grid(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_ranks_start_at_one_and_ties_count_against() -> None:
    assert ranks(SCORES, TRUTH).tolist() == [1, 1, 2, 2]
    assert ranks(np.zeros((2, 7), np.float32), np.array([0, 6])).tolist() == [7, 7]
    assert ranks(np.array([[-np.inf, 0.1]], np.float32), np.array([1])).tolist() == [1]


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (np.zeros((0, 3)), [], "Hold out at least one face"),
        (np.zeros((2, 0)), [0, 0], "Hold out at least one face"),
        (np.zeros((2, 3)), [0], "score each against every identity"),
        (np.zeros(3), [0, 0, 0], "score each against every identity"),
        (np.zeros((1, 3)), [3], "none of the 3 identities scored"),
        (np.zeros((1, 3)), [-1], "none of the 3 identities scored"),
        (np.array([[np.nan, 1]]), [0], "no number"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    scores: np.ndarray, truth: list[int], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        ranks(scores, np.array(truth, np.int64))


def test_shares_are_of_those_who_have_probes() -> None:
    right = np.array([True, False, True, True])
    assert shares(right, np.array([0, 0, 2, 2]), WHO) == {"c-ana": 0.5, "u-cleo": 1.0}


def test_a_threshold_lets_no_more_in_than_allowed() -> None:
    impostors = np.arange(200, dtype=np.float32)
    limit = threshold_at(impostors, 0.01)
    assert limit == 197  # 198 and 199 are above it: 2 of 200
    assert threshold_at(impostors[:99], 0.01) is None
    assert threshold_at(impostors[:100], 0.01) == 98
    assert threshold_at(np.ones(100, np.float32), 0.01) == 1  # ties: nobody above it
    assert threshold_at(impostors, 0.001) is None
    assert threshold_at(grid(), 0.5) is None


def test_verification_by_hand() -> None:
    different = np.linspace(0, 0.999, 1000, dtype=np.float32)
    measured = verification(grid(0.5, 0.992, 0.9985, 2), different)
    # 10 of 1000 are above 0.989, and 1 is above 0.998.
    assert measured.tar_at_far_1e2 == 0.75
    assert measured.tar_at_far_1e3 == 0.5
    few = verification(grid(0.9, 0.2), grid(0.1, 0.3))
    assert (few.tar_at_far_1e2, few.tar_at_far_1e3) == (None, None)
    assert few.eer == pytest.approx(0.5)  # at 0.25: one of two is wrong, of either kind
    assert (
        verification(grid(), grid(1))
        == verification(grid(1), grid())
        == VerificationFigures(*[None] * 3)
    )


def test_error_rates_are_equal_where_they_should_be() -> None:
    assert verification(grid(3, 4), grid(1, 2)).eer == 0
    assert verification(grid(1, 2), grid(3, 4)).eer == 1
    assert verification(grid(1, 1), grid(1, 1, 1)).eer == 0.5
    random = np.random.default_rng(0)
    same, different = random.normal(2, 1, 20_000), random.normal(0, 1, 50_000)
    # Two normals two deviations apart: each errs with the probability beyond one, 15.87%.
    assert verification(same, different).eer == pytest.approx(0.1587, abs=0.005)
    # FAR 1% is at 2.326, which a normal around 2 exceeds with probability 37.2%.
    assert verification(same, different).tar_at_far_1e2 == pytest.approx(0.372, abs=0.02)


def test_everybody_is_unknown_without_their_own_identity() -> None:
    unknown = leave_out(SCORES, TRUTH)
    assert unknown.max(1).tolist() == grid(0.2, 0.3, 0.5, 0.7).tolist()
    assert np.isneginf(unknown[np.arange(4), TRUTH]).all()
    assert SCORES[0, 0] == np.float32(0.9)  # and the scores stay


def test_known_people_are_to_be_first_and_above_the_unknown() -> None:
    unknown = np.zeros((100, 3), np.float32)
    unknown[:, 1] = np.linspace(0, 0.85, 100)  # the second highest is 0.841
    assert open_set(SCORES, TRUTH, unknown) == 0.25  # the second probe is first, but at 0.8
    assert open_set(SCORES, TRUTH, unknown, far=0.1) == 0.5
    assert open_set(SCORES, TRUTH, unknown[:99]) is None
    assert open_set(SCORES, TRUTH, np.zeros((0, 3), np.float32)) is None


def test_one_identity_alone_leaves_nobody_unknown() -> None:
    scores, truth = np.ones((200, 1), np.float32), np.zeros(200, int)
    assert open_set(scores, truth, leave_out(scores, truth)) is None


def test_calibration_by_hand() -> None:
    truth = np.array([0, 0, 1, 1])
    likely = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]], np.float32)
    # At 0.9 two of three are right, at 0.6 one of one: (3 |0.667 - 0.9| + |1 - 0.6|) / 4.
    assert calibration_error(likely, truth) == pytest.approx((0.7 + 0.4) / 4, abs=1e-6)
    assert calibration_error(np.eye(2, dtype=np.float32)[truth], truth) == 0
    assert calibration_error(np.eye(2, dtype=np.float32)[1 - truth], truth) == 1
    assert calibration_error(np.full((1, 2), 0.5, np.float32), np.array([1])) == 0.5  # a tie


def test_confidence_that_comes_true_is_calibrated() -> None:
    random = np.random.default_rng(0)
    likely = random.dirichlet(np.full(5, 0.4), 20_000)
    truth = (random.random((20_000, 1)) > likely.cumsum(1)).sum(1).clip(0, 4)
    assert calibration_error(likely, truth) < 0.015
    sharpened = likely**3 / (likely**3).sum(1, keepdims=True)
    assert calibration_error(sharpened, truth) > 0.1


@given(
    seed=st.integers(0, 10_000),
    faces=st.integers(1, 12),
    people=st.integers(1, 6),
    levels=st.integers(1, 20),
)
def test_only_the_order_of_scores_counts(seed: int, faces: int, people: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, (faces, people)).astype(np.float32)  # many ties
    truth = random.integers(0, people, faces)
    who = [str(n) for n in range(people)]
    plain = evaluate(scores, truth, who, ["user"] * people)
    bent = evaluate(np.exp(scores / 4) - 7, truth, who, ["user"] * people)
    assert bent == plain
    assert 0 <= plain.rank1_lowest <= plain.rank1 <= plain.rank5 <= 1
    order = random.permutation(people)  # of the identities
    moved = evaluate(scores[:, order], order.argsort()[truth], who, ["user"] * people)
    assert (moved.rank1, moved.verification) == (plain.rank1, plain.verification)


@given(seed=st.integers(0, 10_000), gain=st.floats(0, 3))
def test_higher_own_scores_are_never_worse(seed: int, gain: float) -> None:
    random = np.random.default_rng(seed)
    same, different = random.normal(1, 1, 20), random.normal(0, 1, 1000)
    before, after = verification(same, different), verification(same + gain, different)
    for figure in ("tar_at_far_1e2", "tar_at_far_1e3"):
        assert getattr(after, figure) >= getattr(before, figure)
    assert (after.eer or 0) <= (before.eer or 0) + 1e-12


def test_all_figures_of_a_scorer() -> None:
    likely = SCORES / SCORES.sum(1, keepdims=True)
    measured = evaluate(SCORES, TRUTH, WHO, KINDS, likely)
    assert (measured.faces, measured.identities, measured.chance) == (4, 3, 0.5)
    assert (measured.rank1, measured.rank5) == (0.5, 1.0)
    assert measured.rank1_celebrities == pytest.approx(2 / 3)
    assert measured.rank1_users == 0.0
    assert measured.rank1_by_identity == {"c-ana": 1.0, "c-bob": 0.0, "u-cleo": 0.0}
    assert measured.rank1_lowest == 0.0
    # One person: 0.5 0.6 0.8 0.9; two: 0 0.1 0.1 0.2 0.2 0.3 0.5 0.7. From 0.5 on, 2 of 8 are
    # accepted and 0 of 4 refused; from 0.6 on, 1 of 8 and 1 of 4. The lines cross at 1/6.
    assert measured.verification.eer == pytest.approx(1 / 6)
    assert measured.dir_at_far_1e2 is None
    assert measured.calibration_error == pytest.approx(calibration_error(likely, TRUTH))


def test_figures_are_plain_values() -> None:
    values = evaluate(SCORES, TRUTH, WHO, KINDS).as_dict()
    low, high = values["rank1_interval"]
    assert json.loads(json.dumps(values)) == values | {"rank1_interval": [low, high]}
    assert values["calibration_error"] is None
    assert values["tar_at_far_1e2"] is None
    assert "verification" not in values


def test_without_users_there_is_no_figure_of_theirs() -> None:
    measured = evaluate(SCORES, TRUTH, WHO, ["celebrity"] * 3)
    assert measured.rank1_users is None
    assert measured.rank1_celebrities == measured.rank1
    assert evaluate(SCORES[:2], TRUTH[:2], WHO, KINDS).rank1_users is None  # there, but no probe


def test_one_probe_of_one_identity() -> None:
    measured = evaluate(np.ones((1, 1), np.float32), np.array([0]), ["u-ana"], ["user"])
    assert (measured.rank1, measured.rank5, measured.chance) == (1.0, 1.0, 1.0)
    assert measured.verification == VerificationFigures(None, None, None)
    assert measured.dir_at_far_1e2 is None


def test_strangers_may_be_brought_along() -> None:
    random = np.random.default_rng(0)
    strangers = random.normal(-5, 0.1, (100, 3)).astype(np.float32)
    measured = evaluate(SCORES, TRUTH, WHO, KINDS, strangers=strangers)
    assert measured.dir_at_far_1e2_strangers == 0.5
    assert evaluate(SCORES, TRUTH, WHO, KINDS).dir_at_far_1e2_strangers is None


def test_a_margin_says_how_far_ahead_the_own_identity_is() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(40, 6)).astype(np.float32)
    truth = random.integers(0, 6, 40)
    ahead = margins(scores, truth)
    assert np.array_equal(ahead > 0, ranks(scores, truth) == 1)
    assert margins(7 * scores + 3, truth) == pytest.approx(ahead, abs=1e-5)
    assert (np.abs(ahead) <= 2).all()
    assert margins(10 * np.eye(3), np.arange(3)).tolist() == [0, 0, 0], "others do not differ"
    assert margins(np.ones((2, 1)), np.zeros(2, int)).tolist() == [0, 0]


def test_the_likelihood_is_of_the_own_identity() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], np.float32)
    measured = evaluate(probabilities, np.array([1, 1]), WHO, KINDS, probabilities)
    assert measured.nll == pytest.approx(np.log(4) / 2)
    never = evaluate(probabilities, np.array([1, 0]), WHO, KINDS, probabilities)
    assert never.nll is not None and 40 < never.nll < np.inf


def test_names_and_kinds_belong_to_the_scores() -> None:
    for who, kinds in ((WHO[:2], KINDS), (WHO, KINDS[:2])):
        with pytest.raises(TrainingError, match="Scores for 3 identities"):
            evaluate(SCORES, TRUTH, who, kinds)
