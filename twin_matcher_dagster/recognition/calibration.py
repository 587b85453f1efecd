"""Fused scores of many identities to probabilities that come true."""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.errors import TrainingError


def fit_temperature(llr: np.ndarray, truth: np.ndarray) -> float:
    """The temperature at which :func:`posterior` fits best (Guo et al. 2017, "On calibration of
    modern neural networks", ICML).

    Minimises the negative log-likelihood, with one more face that could be anybody's: otherwise,
    where every face finds its own identity, it would fall to 0 and claim certainty (after Platt
    1999, "Probabilistic outputs for support vector machines").

    Args:
        llr: float32 [n, identities], fused scores of held-out faces of known people.
        truth: int64 [n], position of each face's identity.

    Returns:
        0.001 to 1000; above 1 where the scores claim too much. Ranks do not depend on it.

    Raises:
        TrainingError: no faces, numbers that are not finite, or shapes that do not fit.
    """
    if llr.ndim != 2 or truth.shape != llr.shape[:1] or not llr.size or not np.isfinite(llr).all():
        raise TrainingError(
            f"No temperature can be fitted on {truth.shape} faces and scores of shape {llr.shape}. "
            "Hold out at least one face, and give each a finite score for every identity."
        )
    scores = llr.astype(np.float64)
    faces = len(scores)
    own = scores[np.arange(faces), truth].mean()
    wanted = (faces * own + scores.mean()) / (faces + 1)
    low, high = np.log(1e-3), np.log(1e3)  # of the inverse temperature; the slope grows with it
    for _ in range(60):
        middle = (low + high) / 2
        expected = (softmax(np.exp(middle) * scores) * scores).sum(1).mean()
        low, high = (middle, high) if expected < wanted else (low, middle)
    return float(np.exp(-(low + high) / 2))


def posterior(llr: np.ndarray, temperature: float) -> np.ndarray:
    """Which identity a face belongs to, if it belongs to one of them and all are equally likely.

    Args:
        llr: float32 [n, identities].
        temperature: > 0, from :func:`fit_temperature`.

    Returns:
        float32 [n, identities], probabilities; rows sum to 1.
    """
    return softmax(llr.astype(np.float64) / temperature).astype(np.float32)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last of two axes: float64 [n, identities], rows sum to 1."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
