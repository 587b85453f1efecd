"""What can be wrong with an image, and what is known of it: data alone, see ``cleaning``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNREADABLE = "unreadable"
NO_FACE = "no face"
NO_LABEL = "no label"
SAME_IMAGE = "same image again"
NEAR_DUPLICATE = "near duplicate"
ANOTHER_PERSON = "another person"
LOOKS_LIKE = "looks like"
SECOND_PERSON = "second person of this name"
FIRST_NAMESAKE = "two people? the larger group"
SECOND_NAMESAKE = "two people? the smaller group"


@dataclass(frozen=True)
class InspectedImage:
    """One image of a collection, as detector and recogniser see it.

    Attributes:
        image: SHA-256 of its bytes.
        label: the name it came with, tidied.
        identity_id: whom the name stands for.
        split: the source's own split.
        vector: float32 [128], unit length; None where there is no face.
        photo: number of the photo; images with one number are one photo.
        likeness: how well it correlates with another image of its photo, 0 to 1.
        size: height of the face in its image, in pixels: of one photo the largest is kept.
        trouble: why it has no vector.
        file: where the source has it.
    """

    image: str
    label: str
    identity_id: str
    split: str = ""
    vector: np.ndarray | None = None
    photo: int = -1
    likeness: float = 0.0
    size: float = 0.0
    trouble: str = ""
    file: str = ""


@dataclass(frozen=True)
class Finding:
    """One image that is left out, and why.

    Attributes:
        image, label, identity_id: as in :class:`InspectedImage`.
        reason: one of the reasons above; equal for equal faults.
        value, limit: what was measured, and what it had to keep to.
        other: the other identity, if there is one: whom it looks like, or who has the same photo.
        other_image: the image that is kept in its place, for duplicates.
        decision: what a person decided about it, see ``reviews``; empty where nobody did.
    """

    image: str
    label: str
    identity_id: str
    reason: str
    value: float = 0.0
    limit: float = 0.0
    other: str = ""
    other_image: str = ""
    decision: str = ""
