"""How sure a measured share is."""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.recognition.distributions import beta_quantile, t_quantile

_TAIL = 0.025


def interval_of_share(right: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """95% interval of a share (Clopper & Pearson 1934), exact however few there are.

    Photos of one person are right or wrong together. So the photos count as the fewer that say as
    much: the design effect by person, at least 1, with the degrees of freedom that so many people
    leave (Korn & Graubard 1998, Survey Methodology 24).

    Args:
        right, groups: bool [n], or shares 0 to 1, and [n], whose photo each is.

    Returns:
        Its ends, 0 to 1; the whole range without photos. The upper one is 1 where all are right.
    """
    if not len(right):
        return 0.0, 1.0
    photos, share = float(len(right)), float(np.mean(right))
    _, member = np.unique(groups, return_inverse=True)
    people = int(member.max()) + 1
    single = share * (1 - share) / max(1, len(right) - 1)
    if single and people > 1:
        apart = np.bincount(member, weights=right - share)
        clustered = float(np.square(apart).sum()) / photos**2 * people / (people - 1)
        freedom = t_quantile(_TAIL, len(right) - 1) / t_quantile(_TAIL, people - 1)
        photos *= min(1.0, freedom**2 * single / max(clustered, 1e-12))
    hits, misses = share * photos, (1 - share) * photos
    low = beta_quantile(_TAIL, hits, misses + 1) if hits else 0.0
    high = beta_quantile(1 - _TAIL, hits + 1, misses) if misses else 1.0
    return low, high
