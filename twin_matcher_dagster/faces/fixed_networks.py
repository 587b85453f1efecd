"""The networks that are never trained here, by the names under which their vectors are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.recogniser import load_recogniser

DescribeFaces = Callable[[Sequence[np.ndarray] | np.ndarray], np.ndarray]
"""From uint8 RGB [160, 160, 3] crops to float32 [n, 128], unit vectors."""


@dataclass(frozen=True)
class FixedNetwork:
    """A network that is never trained here, so that what it says of a face can be kept.

    Attributes:
        name: under which its vectors are kept.
        load: gives the network.
    """

    name: str
    load: Callable[[], DescribeFaces]


def recogniser_of(source: str) -> FixedNetwork:
    """A recogniser, as :func:`~twin_matcher_dagster.faces.recogniser.load_recogniser` names it."""

    def load() -> DescribeFaces:
        return load_recogniser(source)

    return FixedNetwork(f"{source}:", load)


LIKENESS = FixedNetwork("likeness", load_likeness_network)
"""No recogniser has this name: theirs end with a colon."""
