"""How sure a measured share is."""

from __future__ import annotations

import math

import numpy as np

_NORMAL_95 = 1.96


def interval_of_share(right: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927).

    Photos of one person are right or wrong together. So the photos count as the fewer that say as
    much: the design effect by person, at least 1 (Korn & Graubard 1998, Survey Methodology 24).

    Args:
        right, groups: bool [n], or shares 0 to 1, and [n], whose photo each is.

    Returns:
        Its ends, 0 to 1; the whole range without photos.
    """
    if not len(right):
        return 0.0, 1.0
    photos, share = len(right), float(np.mean(right))
    _, member = np.unique(groups, return_inverse=True)
    people = int(member.max()) + 1
    single = share * (1 - share) / max(1, photos - 1)
    if single and people > 1:
        apart = np.bincount(member, weights=right - share)
        clustered = float(np.square(apart).sum()) / photos**2 * people / (people - 1)
        photos /= max(1.0, clustered / single)
    square = _NORMAL_95**2 / photos
    middle = (share + square / 2) / (1 + square)
    reach = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)
