"""Is a new face somebody who is known already? For the operator's eyes: nothing is merged by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ALWAYS = 0.80
"""Cosine of two people's mean faces above which they are taken for one, whoever else is known.

Means over 10 and more photos of one real person were at 0.90 and above, those of two real people at
0.51 and below; rendered people with clips, who resemble one another, came to 0.75.
"""

AT_LEAST = 0.60
# So far above what others reach that it is no chance: in standard deviations.
_DEVIATIONS = 4.0
# With fewer others their spread says little.
_MIN_OTHERS = 10


@dataclass(frozen=True)
class Resemblance:
    """The known person that a new one resembles most.

    Attributes:
        identity_id: who.
        similarity: cosine of the two mean faces, -1 to 1.
        threshold: what it had to reach to be taken for the same person.
    """

    identity_id: str
    similarity: float
    threshold: float

    @property
    def same(self) -> bool:
        """Whether the two are taken for one person."""
        return self.similarity >= self.threshold


def resembling(template: np.ndarray, known: Mapping[str, np.ndarray]) -> list[Resemblance]:
    """Compare a new person with everyone known.

    The threshold is normalised by the others (test normalisation, Auckenthaler et al. 2000): where
    all faces are alike, as rendered ones are, more is asked for.

    Args:
        template: float [128], unit length: mean vector of the new person.
        known: the same of everyone known, by identity id.

    Returns:
        The nearest one, and all who are taken for the same person, the nearest first; nothing where
        nobody is known.
    """
    if not known:
        return []
    names: Sequence[str] = list(known)
    scores = np.stack([known[name] for name in names]) @ template
    best = int(scores.argmax())
    others = np.delete(scores, best)
    threshold = ALWAYS
    if len(others) >= _MIN_OTHERS:
        expected = float(others.mean() + _DEVIATIONS * others.std())
        threshold = float(np.clip(expected, AT_LEAST, ALWAYS))
    found = [Resemblance(names[i], float(scores[i]), threshold) for i in np.argsort(-scores)]
    return [found[0], *(one for one in found[1:] if one.same)]


def encode_template(template: np.ndarray) -> list[float]:
    """A template as plain numbers for a manifest: four decimals change a cosine by 1e-4 at most."""
    return [round(float(value), 4) for value in template]


def decode_template(values: Sequence[float]) -> np.ndarray:
    """What :func:`encode_template` made, float32 [128] at unit length."""
    vector = np.asarray(values, np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
