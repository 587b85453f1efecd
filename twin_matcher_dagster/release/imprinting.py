"""How well whoever is imprinted is found: of a clip, one half by the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from twin_matcher_dagster.faces.sameness import SAME_PERSON, Sameness
from twin_matcher_dagster.faces.templates import template_of


def share_found(
    seen: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]],
    people: Sequence[str],
    rows: Mapping[str, np.ndarray],
    sameness: Sameness,
) -> float | None:
    """Share of new people's faces that are nearest to their own row, and by the recogniser the same
    person; None without any.

    The first half of a clip makes that row, and the second half asks: a face that is in the row
    itself would find it.

    Args:
        seen: identity id -> embeddings and vectors of their faces, in parts.
        people: everybody.
        rows: their rows, by identity id.
        sameness: how vectors are compared.
    """
    right = []
    everybody = np.stack([rows[one] for one in people])
    for who, parts in seen.items():
        embeddings, vectors = (np.concatenate(some) for some in zip(*parts, strict=True))
        half = len(embeddings) // 2
        if half:
            asked = everybody.copy()
            asked[people.index(who)] = template_of(embeddings[:half])
            nearest = (embeddings[half:] @ asked.T).argmax(1)
            same = sameness(vectors[half:], template_of(vectors[:half])[None])[:, 0] >= SAME_PERSON
            right.append((nearest == people.index(who)) & same)
    return float(np.concatenate(right).mean()) if right else None
