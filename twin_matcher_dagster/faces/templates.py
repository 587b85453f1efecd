"""One vector for several faces of one person, and how it is stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def template_of(vectors: np.ndarray) -> np.ndarray:
    """One vector for several faces of one person: the mean, at unit length.

    Args:
        vectors: float32 [n, dimensions], n >= 1.

    Returns:
        float32 [dimensions].
    """
    mean = vectors.mean(0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)


def encode_template(template: np.ndarray) -> tuple[float, ...]:
    """A template as plain numbers for a record: four decimals change a cosine by 1e-4 at most."""
    return tuple(round(float(value), 4) for value in template)


def decode_template(values: Sequence[float]) -> np.ndarray:
    """What :func:`encode_template` made, float32 [128] at unit length."""
    vector = np.asarray(values, np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
