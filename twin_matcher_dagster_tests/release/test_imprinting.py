"""How well whoever is imprinted is found."""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.faces.sameness import Sameness
from twin_matcher_dagster.release.imprinting import share_found


def test_whoever_is_nearest_and_yet_another_person_is_notshare_found() -> None:
    """A gallery of one: everybody is nearest to them. The second half of the faces is asked."""
    own, other = np.eye(2, dtype=np.float32)
    embeddings = np.stack([own] * 4)
    seen = {"c-1": [(embeddings[:3], np.stack([own] * 3)), (embeddings[3:], other[None])]}
    strangers = Sameness(-np.eye(2, dtype=np.float32))
    assert share_found(seen, ["c-1"], {"c-1": own}, strangers) == 0.5
    assert share_found({}, ["c-1"], {"c-1": own}, strangers) is None
