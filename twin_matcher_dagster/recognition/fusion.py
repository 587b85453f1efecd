"""Cosines of several embeddings to one calibrated score: how much likelier it is the same person.

The fine-tuned network and the reference recogniser each give a cosine; logistic regression on
held-out pairs says how much each counts and what the sum means. As in speaker recognition (Brümmer
& du Preez 2006, "Application-independent evaluation of speaker detection", Computer Speech and
Language 20; Morrison 2013, "Tutorial on logistic-regression calibration and fusion", Australian
Journal of Forensic Sciences 45). Plain numpy: it is convex, with one unknown a component.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.calibration import softmax

_STEPS = 100
_NEAR_ZERO = 1e-9
# So little that, of components which rank every face rightly, the one with the wider margin counts.
_RANKING_L2 = 0.001
_UNREADABLE = "This is no fusion: {}. Materialize the model again."


@dataclass(frozen=True)
class Fusion:
    """A weighted sum of cosines that is a log-likelihood ratio.

    Attributes:
        weights: >= 0, of each component; one that does not help has about 0.
        bias: added to the sum; an LLR of 0 says as much for the same person as for two.
        names: of the components, in the order of the scores.

    Raises:
        TrainingError: on construction, where they do not fit together or are not finite.
    """

    weights: tuple[float, ...]
    bias: float
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        numbers = np.array([*self.weights, self.bias], np.float64)
        if len(self.weights) != len(self.names) or not np.isfinite(numbers).all():
            raise TrainingError(_UNREADABLE.format("the numbers do not fit the names"))
        if not self.weights or min(self.weights) < 0:
            raise TrainingError(_UNREADABLE.format("weights must be there, and none below 0"))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Fuse scores.

        Args:
            scores: float32 [..., components], cosines.

        Returns:
            float32 [...], natural logarithms of likelihood ratios.

        Raises:
            TrainingError: another number of components.
        """
        if scores.ndim < 1 or scores.shape[-1] != len(self.weights):
            raise TrainingError(
                f"The fusion was fitted on {len(self.weights)} scores a pair "
                f"({', '.join(self.names)}), but gets the shape {scores.shape}. Materialize the "
                "model and the index again, so that both are of one version."
            )
        fused = scores.astype(np.float64) @ np.array(self.weights) + self.bias
        return np.asarray(fused, np.float32)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a manifest."""
        return {"names": list(self.names), "weights": list(self.weights), "bias": self.bias}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Fusion:
        """Read what :meth:`as_dict` made.

        Raises:
            TrainingError: it is not that.
        """
        try:
            weights = tuple(float(weight) for weight in values["weights"])
            return cls(weights, float(values["bias"]), tuple(map(str, values["names"])))
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(_UNREADABLE.format(repr(error))) from error


def fit(
    scores: np.ndarray,
    same: np.ndarray,
    names: Sequence[str],
    prior: float = 0.5,
    l2: float = 0.1,
) -> Fusion:
    """Fit weights and bias on pairs that the components were not trained on.

    Minimises the cross-entropy in which the pairs of one person weigh ``prior`` altogether and the
    others ``1 - prior``, however many there are of each.

    Args:
        scores: float32 [n, components], cosines of pairs.
        same: bool [n], whether a pair is one person.
        names: of the components.
        prior: 0 to 1, both excluded: where the result is to be most accurate.
        l2: > 0, twice the penalty on a squared weight, with scores in standard deviations, beside
            a cost of one a pair of the rarer kind. It bounds the result where scores separate all
            pairs: from n pairs follow odds of a few n, not of millions.

    Raises:
        TrainingError: pairs of one kind only, numbers that are not finite, shapes that do not fit.
    """
    _check(scores, same, names)
    values, positive = scores.astype(np.float64), same.astype(bool)
    share = np.where(positive, prior / positive.sum(), (1 - prior) / (~positive).sum())
    mean = share @ values
    deviation = np.sqrt(share @ (values - mean) ** 2)
    # A component that is always the same says nothing; its weight stays 0.
    scale = np.where(deviation > _NEAR_ZERO, deviation, 1.0)
    inputs = np.column_stack([(values - mean) / scale, np.ones(len(values))])
    sign, offset = np.where(positive, 1.0, -1.0), _logit(prior)
    # The bias, which is last, is free.
    penalties = np.append(np.full(len(names), l2 / min(positive.sum(), (~positive).sum())), 0.0)
    lowest = np.append(np.zeros(len(names)), -np.inf)

    def derivatives(point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        margin = sign * (inputs @ point + offset)
        wrong = _sigmoid(-margin)
        spread = share * wrong * (1 - wrong)
        return (
            float(share @ np.logaddexp(0, -margin) + penalties @ point**2 / 2),
            penalties * point - inputs.T @ (share * sign * wrong),
            inputs.T @ (spread[:, None] * inputs) + np.diag(penalties),
        )

    solution = _least(derivatives, lowest)
    weights = solution[:-1] / scale
    return Fusion(
        tuple(map(float, weights)), float(solution[-1] - weights @ mean), tuple(map(str, names))
    )


def _check(scores: np.ndarray, same: np.ndarray, names: Sequence[str]) -> None:
    if scores.ndim != 2 or same.shape != scores.shape[:1] or scores.shape[1] != len(names):
        raise TrainingError(
            f"Scores of shape {scores.shape} do not fit {same.shape} answers and {len(names)} "
            "components. Give one row a pair and one column a component."
        )
    if not np.isfinite(scores).all():
        raise TrainingError(
            "Some scores are not finite, so nothing can be fitted on them. Leave out identities "
            "without faces, and check that the embeddings are unit vectors."
        )
    if not len(names) or same.all() or not same.any():
        raise TrainingError(
            f"Of {len(same)} held-out pairs {int(same.sum())} are of one person; some of both "
            "kinds are needed. Hold out faces of at least 2 identities."
        )


Derivatives = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]


def _least(derivatives: Derivatives, lowest: np.ndarray) -> np.ndarray:
    """Where a convex cost is least, by projected Newton steps (Bertsekas 1982, SIAM J. Control and
    Optimization 20): what is at its bound and pushed beyond it sits the step out.

    Args:
        derivatives: cost, gradient and curvature at a point.
        lowest: bound of each unknown; 0 must not be below it.
    """
    point = np.zeros(len(lowest))
    for _ in range(_STEPS):
        before, gradient, curvature = derivatives(point)
        if np.abs(point - np.maximum(point - gradient, lowest)).max() < _NEAR_ZERO:
            break
        free = ~((point <= lowest + _NEAR_ZERO) & (gradient > 0))
        step = np.where(free, 0.0, -point)
        step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        tried = (np.maximum(point + 0.5**halvings * step, lowest) for halvings in range(20))
        better = next((one for one in tried if derivatives(one)[0] <= before), None)
        if better is None:  # the last digits are reached
            break
        point = better
    return point


def fit_gallery(scores: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> Fusion:
    """Fit a fusion that finds a probe's identity among many, and says how sure that is.

    What tells one pair from another need not find the right one of many: a blurred face has low
    cosines with everybody, and its own is still the highest. So the weights are those under which
    each probe's own identity is likeliest among all (conditional logit, McFadden 1974), and
    :func:`fit` then gives their sum its scale and bias.

    Args:
        scores: float32 [probes, identities, components], cosines.
        truth: int64 [probes], position of each probe's identity.
        names: of the components.

    Raises:
        TrainingError: see :func:`pairs_of` and :func:`fit`; a probe of nobody.
    """
    pairs, same = pairs_of(scores, truth)
    _check(pairs, same, names)
    if truth.min() < 0:
        raise TrainingError("A probe is of nobody. Fit on faces of people who are in the index.")
    own = np.take_along_axis(scores, truth[:, None, None], 1)
    ahead = scores.astype(np.float64) - own
    size = np.sqrt(np.square(ahead).mean((0, 1)))
    scale = np.where(size > _NEAR_ZERO, size, 1.0)
    ahead /= scale
    penalty = _RANKING_L2 / len(truth)

    def derivatives(weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        sums = ahead @ weights
        believed = softmax(sums)
        mean = np.einsum("pi,pic->pc", believed, ahead)
        spread = np.einsum("pi,pic,pid->cd", believed, ahead, ahead) - mean.T @ mean
        cost = np.logaddexp.reduce(sums, 1).mean()  # its own sum is 0
        return (
            float(cost + penalty * weights @ weights / 2),
            mean.mean(0) + penalty * weights,
            spread / len(truth) + penalty * np.eye(len(weights)),
        )

    weights = _least(derivatives, np.zeros(len(names))) / scale
    one = fit((pairs @ weights)[:, None], same, ["sum"])
    return Fusion(tuple(map(float, weights * one.weights[0])), one.bias, tuple(map(str, names)))


def pairs_of(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each probe with every identity, as pairs to fit on.

    Args:
        scores: float32 [probes, identities, components].
        truth: int64 [probes], position of each probe's identity; -1 for somebody who is not there.

    Returns:
        float32 [n, components] scores and bool [n], whether a pair is one person.

    Raises:
        TrainingError: shapes that do not fit, or a position that is not there.
    """
    if scores.ndim != 3 or truth.shape != scores.shape[:1]:
        raise TrainingError(
            f"Scores of shape {scores.shape} do not fit {truth.shape} probes. Give scores by "
            "probe, identity and component."
        )
    if len(truth) and not -1 <= truth.min() <= truth.max() < scores.shape[1]:
        raise TrainingError(
            f"A probe belongs to an identity beyond the {scores.shape[1]} scored. Score the probes "
            "against the index that they belong to."
        )
    same = truth[:, None] == np.arange(scores.shape[1])
    return scores.reshape(-1, scores.shape[2]), same.reshape(-1)


def _sigmoid(value: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -value))


def _logit(prior: float) -> float:
    return float(np.log(prior) - np.log1p(-prior))
