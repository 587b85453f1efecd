"""Two people under one name: which photos are whose, and whether a person said who is meant.

A second group of a fifth or more of the photos is not left out for being the smaller one: the
larger one is the wrong person as easily. The identity waits. To ``keep`` any photo of a group by
review says that the whole group is the person of that name; to keep one of each, that both are one
person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.celebrities.findings import (
    FIRST_NAMESAKE,
    SECOND_NAMESAKE,
    Finding,
    InspectedImage,
)

NAMESAKES = (FIRST_NAMESAKE, SECOND_NAMESAKE)


@dataclass(frozen=True)
class Namesakes:
    """Two groups of one identity's photos.

    Attributes:
        centres: float32 [2, 128], unit length, of the larger and of the smaller group.
        kept: whether a person kept a photo of each.
    """

    centres: np.ndarray
    kept: tuple[bool, bool]

    @classmethod
    def of(
        cls,
        first: np.ndarray,
        second: np.ndarray,
        images: Iterable[InspectedImage],
        kept: Collection[str],
    ) -> Namesakes:
        """See which group a person decided for.

        Args:
            first, second: float32 [128], centres of the groups.
            images: of the identity, each with a face.
            kept: SHA-256 of images that a person kept.
        """
        groups = cls(np.stack([first, second]), (False, False))
        told = {groups.group_of(one) for one in images if one.image in kept}
        return cls(groups.centres, (0 in told, 1 in told))

    @property
    def waits(self) -> bool:
        """Whether nobody decided."""
        return not any(self.kept)

    @property
    def centre(self) -> np.ndarray:
        """Of the person of that name: of the larger group, unless a person kept the other alone."""
        return self.centres[int(self.kept == (False, True))]

    def group_of(self, one: InspectedImage) -> int:
        """0 or 1: the group whose centre is nearer to the face of an image."""
        return int(np.argmax(self.centres @ one.vector))


def waiting_in(table: Sequence[Finding]) -> dict[str, str]:
    """Identity id -> name of everybody who waits for a person's word, by a table of findings."""
    first, second = (
        {one.identity_id: one.label for one in table if one.reason == reason}
        for reason in NAMESAKES
    )
    return {who: label for who, label in first.items() if who in second}
