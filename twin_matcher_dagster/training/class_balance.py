"""Who is seen how often while a model is trained."""

from __future__ import annotations

import numpy as np


def sampler_weights(classes: np.ndarray) -> np.ndarray:
    """How likely each face is drawn, so that every identity is drawn equally often.

    Args:
        classes: int64 [n], class number of each face.

    Returns:
        float64 [n], inverse to the number of faces of the class; the mean is 1.
    """
    _, position, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return len(classes) / (len(counts) * counts[position])


def draws_an_epoch(faces: int, batch_size: int) -> int:
    """How many faces are drawn, so that none is alone in the last batch.

    BatchNorm cannot learn from a batch of one.

    Args:
        faces: how many there are.
        batch_size: faces a step.
    """
    return faces - 1 if faces % batch_size == 1 < faces else faces
