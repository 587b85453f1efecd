"""Which faces of a person a page shows: first one to compare with, then from both sides.

The first is frontal, sharp and bare. What covers a face, such as sunglasses or a hat, differs from
one photo to the next, so a face is bare where its eyes and forehead look as in most of the person's
photos: nothing has to know what sunglasses are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin_matcher_dagster.dataset.portrait_file import Portrait
from twin_matcher_dagster.dataset.schema import Face
from twin_matcher_dagster.media.images import read_image

PORTRAITS = 3
"""Faces of each identity that a page shows."""

CANDIDATES = 16
"""Faces among which they are chosen: the most like the person's template."""

# Rows and columns of an aligned crop: what sunglasses or a hat cover, and what neither does.
_EYES, _FOREHEAD, _BELOW = slice(58, 92), slice(6, 50), slice(96, 150)
_MIDDLE = slice(36, 124)
# What counts as much as 20 degrees of yaw: 20 of pitch, 30 of roll, a region that differs from the
# person's usual one by a third of a standard deviation, two thirds of the usual sharpness.
_YAW, _PITCH, _ROLL, _COVERED, _BLURRED = 20.0, 20.0, 30.0, 1 / 3, 0.6
# From the side, for whoever asks with a face that is turned.
_ASIDE = 20.0


def chosen_portraits(candidates: Sequence[Face]) -> list[Face]:
    """The faces that are shown of one person, at most :data:`PORTRAITS`.

    Args:
        candidates: faces of the person, the most typical first.

    Returns:
        The best to compare with first, then one from either side, where there are any.
    """
    if len(candidates) < 2:
        return list(candidates)
    flaws = _flaws(candidates)
    yaws = np.array([face.yaw for face in candidates])
    first = int(np.argmin(flaws + np.abs(yaws) / _YAW))
    kept = [first]
    for aside in (-_ASIDE, _ASIDE):
        cost = flaws + np.abs(yaws - aside) / _YAW
        cost[kept] = np.inf
        if np.isfinite(cost).any():
            kept.append(int(np.argmin(cost)))
    return [candidates[n] for n in kept[:PORTRAITS]]


def nearest_in_pose(portraits: Sequence[Portrait], yaw: float) -> list[Portrait]:
    """Portraits, the one that looks most nearly in a direction first, the others as they were.

    Args:
        portraits: of one person.
        yaw: in degrees, see ``faces.pose.Pose``.
    """
    # Sorting is stable: what is as near stays in its order.
    nearest = sorted(portraits, key=lambda one: abs(one.yaw - yaw))[:1]
    return [*nearest, *(one for one in portraits if one is not nearest[0])]


def _flaws(faces: Sequence[Face]) -> np.ndarray:
    """What is wrong with each face besides its yaw: float64 [n], 0 is nothing."""
    tilted = np.array([abs(one.pitch) / _PITCH + abs(one.roll) / _ROLL for one in faces])
    sharp = np.array([one.quality for one in faces])
    usual = max(float(np.median(sharp)), 1e-6)
    blurred = np.clip(np.log2(usual / np.maximum(sharp, 1e-6)), 0, 4)
    # The most typical one has none of it, the least typical as much as a few degrees.
    untypical = np.linspace(0, 0.3, len(faces))
    return tilted + blurred / _BLURRED + _covered(faces) / _COVERED + untypical


def _covered(faces: Sequence[Face]) -> np.ndarray:
    """How much eyes and forehead differ from most of the faces': float64 [n]."""
    grey = np.stack([read_image(one.image).mean(2) for one in faces])
    below = grey[:, _BELOW, _MIDDLE]
    # In the light and the contrast of the lower face, which is bare.
    level = below.mean((1, 2))[:, None, None]
    spread = np.maximum(below.std((1, 2)), 1.0)[:, None, None]
    normal = (grey - level) / spread
    parts = [normal[:, rows, _MIDDLE] for rows in (_EYES, _FOREHEAD)]
    return sum(np.abs(part - np.median(part, 0)).mean((1, 2)) for part in parts)
