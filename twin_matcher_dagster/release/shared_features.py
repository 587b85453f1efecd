"""Why two faces are alike: which parts of the face they share.

A part is covered in the one face and in the other, and what they lose of their likeness is what the
part gave to it (occlusion sensitivity, Zeiler & Fergus 2014, section 4.2). It is covered with that
of the average stranger. Not in both at once: they would have what covers them in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.faces.cohort import average_face
from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.regions import PARTS, covered, highlighted
from twin_matcher_dagster.recognition.likeness_metric import LikenessMetric


@dataclass(frozen=True)
class SharedFeature:
    """A part of the face.

    Attributes:
        name: one of ``regions.PARTS``.
        share: of the likeness that parts give, 0 to 1; 0 where two faces are no less alike without.
    """

    name: str
    share: float


@dataclass(frozen=True)
class Why:
    """What two faces share.

    Attributes:
        features: all parts, the one that gives most to the likeness first.
        face, portrait: uint8 RGB [160, 160, 3], both crops with the shared parts as they are and
            the rest dimmed.
    """

    features: tuple[SharedFeature, ...]
    face: np.ndarray
    portrait: np.ndarray


def explain_likeness(metric: LikenessMetric, face: np.ndarray, portrait: np.ndarray) -> Why:
    """Why two faces are alike.

    Args:
        metric: of the likeness space.
        face, portrait: uint8 RGB [160, 160, 3], aligned.
    """
    losses = likeness_losses(*(places_without_parts(metric, one) for one in (face, portrait)))
    gains = np.maximum(losses, 0)
    shares = gains / max(float(gains.sum()), 1e-9)
    order = np.argsort(-losses, kind="stable")
    features = tuple(SharedFeature(PARTS[n], float(shares[n])) for n in order)
    # Those that give their equal part or more.
    shown = [one.name for one in features if one.share * len(PARTS) >= 1]
    return Why(features, highlighted(face, shown), highlighted(portrait, shown))


def places_without_parts(metric: LikenessMetric, face: np.ndarray) -> np.ndarray:
    """Where a face is in the likeness space: as it is, then with each part covered.

    Args:
        metric: of the space.
        face: uint8 RGB [160, 160, 3], aligned.

    Returns:
        float32 [1 + parts, dimensions].
    """
    crops = [face, *(covered(face, part, average_face()) for part in PARTS)]
    return metric.place(load_likeness_network()(crops))


def likeness_losses(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How much less alike two faces are with each part covered in one of them: float32 [parts].

    The mean of covering it in the one and in the other.

    Args:
        one, other: of :func:`places_without_parts`.
    """
    return one[0] @ other[0] - (one[1:] @ other[0] + other[1:] @ one[0]) / 2
