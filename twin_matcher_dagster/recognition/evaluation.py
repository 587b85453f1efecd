"""How good a scorer is, on held-out faces: ranks, verification, unknown people, calibration.

Everything is computed from a matrix of scores, whatever made them: a cosine, a fused log-likelihood
ratio. Figures as in Phillips, Grother & Micheals 2011 (Handbook of Face Recognition, ch. 21) and
NIST's FRVT. A tie counts against the scorer everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.intervals import interval_of_share

BINS = 15
# Beyond so many standard deviations a face is found, or lost, however far it is.
_WIDEST_MARGIN = 2.0
KINDS = ("celebrity", "user")


def ranks(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which place each probe's own identity takes.

    Args:
        scores: float32 [n, identities], larger is more similar; -inf leaves an identity out.
        truth: int64 [n], position of each probe's identity.

    Returns:
        int64 [n], 1 is the first; an identity with the same score stands before it.

    Raises:
        TrainingError: no probes, shapes that do not fit, an identity that is not there, or NaN.
    """
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or not scores.size:
        raise TrainingError(
            f"Scores of shape {scores.shape} do not fit {truth.shape} held-out faces. Hold out at "
            "least one face, and score each against every identity."
        )
    if truth.min() < 0 or truth.max() >= scores.shape[1] or np.isnan(scores).any():
        raise TrainingError(
            f"A held-out face is of none of the {scores.shape[1]} identities scored, or a score is "
            "no number. Measure the faces on the index they belong to, or train the model again."
        )
    own = np.take_along_axis(scores, truth[:, None], 1)
    return (scores >= own).sum(1).astype(np.int64)  # its own score is one of them


def margins(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far each probe's own identity is ahead of the next one, whatever the scale of the scores.

    Args:
        scores, truth: as for :func:`ranks`.

    Returns:
        float64 [n], in standard deviations of the scores of other identities, -2 to 2; 0 where the
        others' scores do not differ.

    Raises:
        TrainingError: see :func:`ranks`.
    """
    ranks(scores, truth)
    others = leave_out(scores.astype(np.float64), truth)
    spread = others[np.isfinite(others)].std() if scores.shape[1] > 1 else 0.0
    if not spread:
        return np.zeros(len(truth))
    own = scores[np.arange(len(truth)), truth]
    return np.clip((own - others.max(1)) / spread, -_WIDEST_MARGIN, _WIDEST_MARGIN)


def shares(right: np.ndarray, groups: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Share of each group's probes that are right, 0 to 1; groups without probes are absent.

    Args:
        right, groups: bool [n], and int64 [n], position in ``names``.
        names: of the groups, such as identity ids.
    """
    probes = np.bincount(groups, minlength=len(names))
    hits = np.bincount(groups, weights=right, minlength=len(names))
    return {name: float(hits[i] / probes[i]) for i, name in enumerate(names) if probes[i]}


@dataclass(frozen=True)
class VerificationFigures:
    """How well one threshold tells pairs of one person from pairs of two.

    Attributes:
        tar_at_far_1e2, tar_at_far_1e3: share of pairs of one person accepted, 0 to 1, where 1 in
            100 or 1 in 1000 pairs of two is; None with fewer than 100 or 1000 of those.
        eer: equal error rate, 0 to 1: where as many of one kind are mistaken as of the other.
    """

    tar_at_far_1e2: float | None
    tar_at_far_1e3: float | None
    eer: float | None


def verification(same: np.ndarray, different: np.ndarray) -> VerificationFigures:
    """Measure verification.

    A rate of 1/n cannot be seen on fewer than n pairs, and on n rests on a single one: a figure to
    rely on wants 30/n (Doddington et al. 2000, Speech Communication 31).

    Args:
        same, different: float32 [n] and [m], scores of pairs of one person, and of two. Without
            any of one kind all figures are None.
    """
    if not len(same) or not len(different):
        return VerificationFigures(None, None, None)
    limits = [threshold_at(different, far) for far in (1e-2, 1e-3)]
    accepted = [None if limit is None else float((same > limit).mean()) for limit in limits]
    return VerificationFigures(*accepted, eer=_equal_error_rate(same, different))


def threshold_at(impostors: np.ndarray, far: float) -> float | None:
    """The lowest threshold that at most this share of impostors' scores is above.

    Args:
        impostors: float32 [n].
        far: false accept rate, 0 to 1.

    Returns:
        The threshold, to be exceeded; None with fewer than 1/far scores.
    """
    allowed = int(far * len(impostors) + 1e-9)
    return float(np.sort(impostors)[-1 - allowed]) if 1 <= allowed < len(impostors) else None


def _equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """Where the two error rates cross, on straight lines between the thresholds."""
    limits = np.append(np.unique(np.concatenate([same, different])), np.inf)
    accepted = 1 - np.searchsorted(np.sort(different), limits) / len(different)
    refused = np.searchsorted(np.sort(same), limits) / len(same)
    return float(np.interp(0, refused - accepted, accepted))


def leave_out(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Each probe as somebody unknown: the same scores without its own identity.

    Only scores of one identity at a time will do: a softmax over identities would have to be taken
    again without it.

    Args:
        scores, truth: float32 [n, identities] and int64 [n].

    Returns:
        float32 [n, identities], -inf where the own identity was.
    """
    unknown = scores.copy()
    np.put_along_axis(unknown, truth[:, None], -np.inf, 1)
    return unknown


def open_set(
    known: np.ndarray, truth: np.ndarray, unknown: np.ndarray, far: float = 0.01
) -> float | None:
    """Detection and identification rate (DIR; 1 - FNIR, or TPIR, in NIST's terms).

    Args:
        known, truth: float32 [n, identities], scores of people in the gallery, and int64 [n].
        unknown: float32 [k, identities], scores of people who are not; see :func:`leave_out`.
        far: share of the unknown, 0 to 1, that may be taken for somebody (FPIR).

    Returns:
        Share of the known, 0 to 1, whose own identity comes first and is above the threshold; None
        with fewer than 1/far unknown people.
    """
    first = ranks(known, truth) == 1
    nearest = unknown.max(1, initial=-np.inf)
    limit = threshold_at(nearest[np.isfinite(nearest)], far)
    own = known[np.arange(len(truth)), truth]
    return None if limit is None else float((first & (own > limit)).mean())


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error (Guo et al. 2017), over 15 bins of equal width.

    Args:
        probabilities, truth: float32 [n, identities], rows sum to 1, and int64 [n].

    Returns:
        0 to 1: how far confidence is from the share that is right, on average.
    """
    right = ranks(probabilities, truth) == 1
    confidence = probabilities.max(1).astype(np.float64)
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return float(np.abs(np.bincount(bins, weights=right - confidence)).sum() / len(right))


@dataclass(frozen=True)
class Evaluation:
    """All figures of one scorer on held-out faces. Shares are 0 to 1.

    Attributes:
        faces, identities: how many probes, and how many identities they are scored against.
        chance: rank-1 share of always naming the identity with the most probes.
        rank1, rank5: share whose identity is the first, or among the first five.
        rank1_celebrities, rank1_users: of these alone, against everybody; None without any.
        rank1_lowest, rank1_by_identity: the lowest share of an identity, and id -> share.
        verification: of each probe with every identity.
        dir_at_far_1e2: see :func:`open_set`.
        dir_at_far_1e2_strangers: the same, with strangers for the unknown; None without any.
        calibration_error, nll: of the probabilities: expected calibration error, 0 to 1, and mean
            negative log-likelihood of the own identity, natural; None where there are none.
        rank1_interval: 95% interval of ``rank1``, see :func:`~.intervals.interval_of_share`.
    """

    faces: int
    identities: int
    chance: float
    rank1: float
    rank5: float
    rank1_celebrities: float | None
    rank1_users: float | None
    rank1_lowest: float
    rank1_by_identity: dict[str, float]
    verification: VerificationFigures
    dir_at_far_1e2: float | None
    dir_at_far_1e2_strangers: float | None
    calibration_error: float | None
    nll: float | None
    rank1_interval: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a manifest; those of ``verification`` stand beside the others."""
        values = asdict(self)
        pairs = values.pop("verification")
        return values | pairs


def evaluate(
    scores: np.ndarray,
    truth: np.ndarray,
    identities: Sequence[str],
    kinds: Sequence[str],
    probabilities: np.ndarray | None = None,
    strangers: np.ndarray | None = None,
) -> Evaluation:
    """Measure a scorer.

    Args:
        scores: float32 [n, identities], of one identity at a time: cosines or LLRs, no softmax.
        truth: int64 [n], position of each probe's identity.
        identities, kinds: id of each identity, and ``celebrity`` or ``user``.
        probabilities: float32 [n, identities], rows sum to 1.
        strangers: float32 [k, identities], of people in no gallery and no training.

    Raises:
        TrainingError: see :func:`ranks`; also where ``identities`` and ``kinds`` do not fit.
    """
    places = ranks(scores, truth)
    if not scores.shape[1] == len(identities) == len(kinds):
        raise TrainingError(
            f"Scores for {scores.shape[1]} identities do not fit {len(identities)} names and "
            f"{len(kinds)} kinds. Measure the faces on the index that they belong to."
        )
    first = places == 1
    own = np.arange(scores.shape[1]) == truth[:, None]
    by_kind = shares(first, np.array([KINDS.index(kind) for kind in kinds])[truth], KINDS)
    by_identity = shares(first, truth, identities)
    return Evaluation(
        faces=len(truth),
        identities=len(identities),
        chance=float(np.bincount(truth).max() / len(truth)),
        rank1=float(first.mean()),
        rank5=float((places <= 5).mean()),
        rank1_celebrities=by_kind.get("celebrity"),
        rank1_users=by_kind.get("user"),
        rank1_lowest=min(by_identity.values()),
        rank1_by_identity=by_identity,
        verification=verification(scores[own], scores[~own]),
        dir_at_far_1e2=open_set(scores, truth, leave_out(scores, truth)),
        dir_at_far_1e2_strangers=None if strangers is None else open_set(scores, truth, strangers),
        calibration_error=None
        if probabilities is None
        else calibration_error(probabilities, truth),
        nll=None if probabilities is None else _nll(probabilities, truth),
        rank1_interval=interval_of_share(first, truth),
    )


def _nll(probabilities: np.ndarray, truth: np.ndarray) -> float:
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())
