"""Scores of two embeddings to one, that means what it says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.calibration import fit_temperature, posterior
from twin_matcher_dagster.recognition.fusion import (
    Fusion,
    fit,
    fit_gallery,
    pairs_of,
)

NAMES = ("fine-tuned", "reference")


def gaussians(
    separations: tuple[float, ...], one: int, two: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of unit variance, independent, so that the LLR is known: sum of d * (s - d / 2)."""
    random = np.random.default_rng(seed)
    same = np.repeat([True, False], [one, two])
    scores = random.normal(size=(one + two, len(separations)))
    return (scores + np.outer(same, separations)).astype(np.float32), same


def slope(scores: np.ndarray, same: np.ndarray, fusion: Fusion, prior: float) -> np.ndarray:
    """Gradient of the cost that is to be least, weights and bias, written down once more."""
    llr = scores.astype(float) @ np.array(fusion.weights) + fusion.bias
    believed = 1 / (1 + np.exp(-(llr + np.log(prior / (1 - prior)))))
    share = np.where(same, prior / same.sum(), (1 - prior) / (~same).sum())
    deviation = np.sqrt(share @ (scores - share @ scores) ** 2)
    missed = share * (believed - same)
    penalty = 0.1 / min(same.sum(), (~same).sum()) * np.array(fusion.weights) * deviation**2
    return np.append((missed @ scores + penalty) / deviation, missed.sum())


def test_a_fusion_is_a_weighted_sum_of_any_shape() -> None:
    fusion = Fusion((2.0, 4.0), -1.0, NAMES)
    scores = np.array([[[0.5, 0.25], [0.0, 0.0], [1.0, 1.0]]], np.float32)
    fused = fusion(scores)
    assert (fused.shape, fused.dtype) == ((1, 3), np.float32)
    assert fused.tolist() == [[1.0, -1.0, 5.0]]
    assert fusion(scores[0, 0]) == 1.0
    assert fusion(np.zeros((0, 2), np.float32)).shape == (0,)


def test_it_reads_back_from_json() -> None:
    fusion = fit(*gaussians((2.0, 1.0), 30, 90), NAMES)
    assert Fusion.from_dict(json.loads(json.dumps(fusion.as_dict()))) == fusion


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"names": ["a"], "weights": [1.0, 2.0], "bias": 0.0},
        {"names": ["a"], "weights": [-1.0], "bias": 0.0},
        {"names": ["a"], "weights": [1.0], "bias": float("nan")},
        {"names": ["a"], "weights": ["much"], "bias": 0.0},
        {"names": ["a"], "weights": 1.0, "bias": 0.0},
        {"names": [], "weights": [], "bias": 0.0},
    ],
)
def test_what_is_no_fusion_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="Materialize the model again"):
        Fusion.from_dict(values)


def test_two_pairs_by_hand() -> None:
    # In standard deviations the pairs are at 1 and -1: the cost is log(1 + exp(-w)) + l2 w^2 / 2,
    # least where exp(-w) / (1 + exp(-w)) = l2 w, which is 1 / (1 + e) at w = 1.
    fusion = fit(
        np.array([[0.75], [0.25]], np.float32), np.array([True, False]), ["x"], l2=1 / (1 + np.e)
    )
    assert fusion.weights[0] == pytest.approx(1 / 0.25, rel=1e-6)
    assert fusion.bias == pytest.approx(-0.5 / 0.25, rel=1e-6)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    separations=st.lists(st.floats(-3, 5), min_size=1, max_size=4).map(tuple),
    one=st.integers(1, 40),
    two=st.integers(1, 200),
    prior=st.sampled_from([0.05, 0.5, 0.9]),
)
def test_the_cost_is_least(
    seed: int, separations: tuple[float, ...], one: int, two: int, prior: float
) -> None:
    scores, same = gaussians(separations, one, two, seed)
    fusion = fit(scores, same, [str(n) for n in range(len(separations))], prior)
    gradient = slope(scores, same, fusion, prior)
    held = np.append(np.array(fusion.weights) == 0, False)
    assert np.abs(gradient[~held]).max() < 1e-6
    assert (gradient[held] > -1e-6).all()  # a weight below 0 would cost less, but none above


@pytest.mark.parametrize("separation", [1.0, 2.0, 3.0])
def test_the_llr_of_gaussians_is_found(separation: float) -> None:
    scores, same = gaussians((separation,), 20_000, 20_000)
    fusion = fit(scores, same, ["x"])
    assert fusion.weights[0] == pytest.approx(separation, rel=0.05)
    assert fusion.bias == pytest.approx(-(separation**2) / 2, rel=0.06)


def test_independent_components_add_up() -> None:
    fusion = fit(*gaussians((2.0, 1.0), 20_000, 20_000), NAMES)
    assert fusion.weights == pytest.approx((2.0, 1.0), rel=0.06)


def test_claims_come_true_as_often_as_they_say() -> None:
    fusion = fit(*gaussians((1.5, 1.0), 10_000, 10_000), NAMES)
    scores, same = gaussians((1.5, 1.0), 3_000, 27_000, seed=1)
    believed = 1 / (1 + 9 * np.exp(-fusion(scores)))  # by Bayes' rule: one in ten is
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        within = (believed >= low) & (believed < low + 0.2)
        assert same[within].mean() == pytest.approx(believed[within].mean(), abs=0.04)


def test_how_many_there_are_of_each_kind_does_not_matter() -> None:
    few, same = gaussians((2.0, 1.0), 40, 40)
    many = np.concatenate([few, *[few[~same]] * 50])
    known = np.concatenate([same, np.zeros(50 * 40, bool)])
    one, other = fit(few, same, NAMES), fit(many, known, NAMES)
    assert other.weights == pytest.approx(one.weights, rel=1e-5)
    assert other.bias == pytest.approx(one.bias, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_noise_has_no_say(seed: int) -> None:
    scores, same = gaussians((3.0, 0.0), 10_000, 40_000, seed)
    fusion = fit(scores, same, NAMES)
    effect = np.array(fusion.weights) * scores.std(0)
    assert 0 <= effect[1] < 0.02 * effect[0]


def test_a_component_that_is_wrong_or_constant_is_left_out() -> None:
    scores, same = gaussians((2.0, -2.0, 0.0), 500, 500)
    scores[:, 2] = 0.3
    right, wrong, constant = fit(scores, same, ["right", "wrong", "constant"]).weights
    assert right > 1
    assert (wrong, constant) == (0.0, 0.0)
    nothing = fit(scores[:, 1:], same, ["wrong", "constant"])
    assert nothing.weights == (0.0, 0.0)
    assert nothing.bias == pytest.approx(0, abs=1e-6)  # it knows nothing, and says so


@pytest.mark.parametrize("pairs", [5, 50, 500])
def test_separation_does_not_blow_up(pairs: int) -> None:
    scores = np.array([[0.9, 0.8]] * pairs + [[0.1, 0.0]] * 1000, np.float32)
    llr = fit(scores, np.arange(len(scores)) < pairs, NAMES)(scores)
    assert pairs < np.exp(llr[0]) < 7 * pairs  # no more than so many pairs can tell
    assert llr[-1] == pytest.approx(-llr[0], rel=0.01)


@given(factor=st.floats(0.01, 100), shift=st.floats(-5, 5))
def test_units_do_not_matter(factor: float, shift: float) -> None:
    scores, same = gaussians((2.0, 1.0), 20, 60)
    moved = scores.astype(np.float64) * factor + shift
    plain = fit(scores, same, NAMES)(scores)
    assert fit(moved, same, NAMES)(moved) == pytest.approx(plain, abs=1e-3)


def test_a_prior_of_another_kind_changes_the_llr_little() -> None:
    scores, same = gaussians((2.0,), 20_000, 20_000)
    assert fit(scores, same, ["x"], prior=0.01).weights[0] == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        (np.zeros((4, 2)), np.ones(4, bool), "4 are of one person; some of both kinds"),
        (np.zeros((4, 2)), np.zeros(4, bool), "Hold out faces of at least 2 identities"),
        (np.zeros((0, 2)), np.zeros(0, bool), "0 held-out pairs"),
        (np.array([[0.1, np.nan], [0.2, 0.3]]), np.array([True, False]), "not finite"),
        (np.array([[0.1, -np.inf], [0.2, 0.3]]), np.array([True, False]), "not finite"),
        (np.zeros((4, 3)), np.arange(4) < 2, "one column a component"),
        (np.zeros((4, 2)), np.arange(5) < 2, "one row a pair"),
        (np.zeros(4), np.arange(4) < 2, "one row a pair"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    scores: np.ndarray, same: np.ndarray, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        fit(scores.astype(np.float32), same, NAMES)


def test_other_components_than_were_fitted_are_refused() -> None:
    fusion = Fusion((1.0, 1.0), 0.0, NAMES)
    for shape in ((5, 3), (5, 1), ()):
        with pytest.raises(TrainingError, match="fitted on 2 scores a pair"):
            fusion(np.zeros(shape, np.float32))


def test_a_probe_is_paired_with_every_identity() -> None:
    scores = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    pairs, same = pairs_of(scores, np.array([2, -1]))
    assert pairs.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert same.tolist() == [False, False, True, False, False, False]  # the second is unknown


@pytest.mark.parametrize(
    ("shape", "truth", "message"),
    [
        ((2, 3), [0, 1], "by probe, identity and component"),
        ((2, 3, 2), [0], "by probe, identity and component"),
        ((2, 3, 2), [0, 3], "beyond the 3 scored"),
        ((2, 3, 2), [0, -2], "beyond the 3 scored"),
    ],
)
def test_probes_of_other_shapes_are_refused(
    shape: tuple[int, ...], truth: list[int], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        pairs_of(np.zeros(shape, np.float32), np.array(truth))


def gallery(
    widths: tuple[float, ...], probes: int = 200, people: int = 12, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of noise, each component's own ones higher by so much; and the truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, people, probes)
    scores = random.normal(size=(probes, people, len(widths)))
    scores[np.arange(probes), truth] += widths
    return scores.astype(np.float32), truth


def found(fusion: Fusion, scores: np.ndarray, truth: np.ndarray) -> float:
    return float((fusion(scores).argmax(1) == truth).mean())


def test_a_component_that_ranks_rightly_counts_though_its_level_varies() -> None:
    """A blurred face is near nobody: each pair by itself then says little, the order everything."""
    scores, truth = gallery((9.0, 3.0))
    scores[..., 0] += np.random.default_rng(1).normal(0, 20, (len(truth), 1))
    by_rank = fit_gallery(scores, truth, NAMES)
    by_pair = fit(*pairs_of(scores, truth), NAMES)
    assert found(by_rank, scores, truth) == 1
    assert found(by_pair, scores, truth) < 0.97
    assert min(by_rank.weights) > 0


@pytest.mark.parametrize("seed", range(4))
def test_a_component_that_ranks_nobody_has_no_say(seed: int) -> None:
    scores, truth = gallery((4.0, 0.0, -1.0), probes=400, seed=seed)
    weights = np.array(fit_gallery(scores, truth, ("good", "noise", "wrong")).weights)
    assert weights[1] < 0.1 * weights[0]
    assert weights[2] == 0


def test_no_component_that_helps_leaves_an_llr_of_about_nothing() -> None:
    fusion = fit_gallery(*gallery((-2.0, -1.0)), NAMES)
    assert fusion.weights == (0, 0)
    assert fusion.bias == pytest.approx(0, abs=1e-6)


def test_no_other_weights_make_the_own_identity_likelier() -> None:
    scores, truth = gallery((1.5, 1.0))
    best = np.array(fit_gallery(scores, truth, NAMES).weights)

    def likelihood(weights: np.ndarray) -> float:
        """At the best scale: `fit` chose another one, for pairs."""
        sums = scores.astype(float) @ weights
        own = sums[np.arange(len(truth)), truth]
        scales = np.linspace(0.1, 3, 300)
        return max(float((k * own - np.logaddexp.reduce(k * sums, axis=1)).mean()) for k in scales)

    best /= best.sum()
    for other in ((best[0] + d, best[1] - d) for d in (-0.1, 0.1)):
        assert likelihood(np.array(other)) < likelihood(best)


def test_a_probe_of_nobody_cannot_be_fitted_on() -> None:
    with pytest.raises(TrainingError, match="of nobody"):
        fit_gallery(np.zeros((2, 3, 1), np.float32), np.array([0, -1]), ["x"])


def crowd(sharpness: float, faces: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """LLRs that claim ``sharpness`` times too much, of faces drawn as the true LLRs say."""
    random = np.random.default_rng(0)
    llr = random.normal(0, 2, (faces, 6))
    truth = (llr + random.gumbel(size=llr.shape)).argmax(1)
    return (sharpness * llr).astype(np.float32), truth


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 4.0])
def test_the_temperature_takes_back_what_is_claimed_too_much(sharpness: float) -> None:
    llr, truth = crowd(sharpness)
    temperature = fit_temperature(llr, truth)
    assert temperature == pytest.approx(sharpness, rel=0.1)
    likely = posterior(llr, temperature)
    assert (likely.dtype, likely.shape) == (np.float32, llr.shape)
    assert likely.sum(1) == pytest.approx(np.ones(len(llr)), abs=1e-5)
    assert (likely.argmax(1) == llr.argmax(1)).all()
    assert likely.max(1).mean() == pytest.approx((likely.argmax(1) == truth).mean(), abs=0.03)


def test_faces_that_are_all_right_do_not_make_certainty() -> None:
    llr, truth = np.eye(4, dtype=np.float32) * 10, np.arange(4)
    # One face in five could be anybody's: 4/5 and a quarter of 1/5.
    assert posterior(llr, fit_temperature(llr, truth))[0, 0] == pytest.approx(0.85, abs=1e-4)


def test_one_face_one_identity_or_scores_that_say_nothing_are_no_trouble() -> None:
    one = fit_temperature(np.ones((1, 1), np.float32), np.zeros(1, np.int64))
    assert posterior(np.ones((1, 1), np.float32), one) == 1
    for llr in (np.zeros((3, 2)), -np.eye(3, 2)):  # nothing known, and all wrong
        scores = llr.astype(np.float32)
        likely = posterior(scores, fit_temperature(scores, np.array([0, 1, 0])))
        assert likely == pytest.approx(np.full((3, 2), 0.5), abs=1e-3)


@pytest.mark.parametrize(
    ("llr", "truth"),
    [
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.zeros((2, 2)), np.zeros(3, int)),
        (np.full((1, 2), np.nan), np.zeros(1, int)),
        (np.zeros(2), np.zeros(2, int)),
    ],
)
def test_no_temperature_without_faces(llr: np.ndarray, truth: np.ndarray) -> None:
    with pytest.raises(TrainingError, match="Hold out at least one face"):
        fit_temperature(llr, truth)
