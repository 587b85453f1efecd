"""Is any photo in two splits? Asked of the stored faces alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from twin_matcher_dagster.dataset.schema import SPLITS, Face

MARGIN = 0.01
"""The stored faces are JPEG: a correlation just below cleaning's limit may come out just above."""


def photos_in_two_splits(faces: Sequence[Face]) -> list[tuple[Face, Face]]:
    """Pairs of faces of different splits that are one photo: resized, mirrored, compressed anew.

    Pictures are compared, not people: neither labels nor the recogniser have a part in it.
    """
    from twin_matcher_dagster.faces.duplicate_photos import SAME_PHOTO, copies_between, thumbnail
    from twin_matcher_dagster.media.images import read_image

    by_split = {split: [face for face in faces if face.split == split] for split in SPLITS}
    small = {
        split: np.stack([thumbnail(read_image(face.image)) for face in some])
        for split, some in by_split.items()
        if some
    }
    return [
        (by_split[one][i], by_split[other][j])
        for one, other in combinations(small, 2)
        for i, j, _ in copies_between(small[one], small[other], SAME_PHOTO + MARGIN)
    ]
