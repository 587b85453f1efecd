"""What is asked of the network while it is being trained, in numbers; see :mod:`~.network`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """What is asked of the embedding.

    Attributes:
        margin: how much nearer than others its own row must be, a cosine.
        scale: of cosines to logits.
        smoothing: share of the target spread over all classes (Szegedy et al. 2016).
        distillation: weight of the teacher's cosine beside the cross-entropy.
    """

    margin: float = 0.0
    scale: float = 16.0
    smoothing: float = 0.05
    distillation: float = 6.0
