"""Is a new face somebody who is known already? For the operator's eyes: nothing is merged by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.uploads.known_people import KnownPeople

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


@dataclass(frozen=True)
class ResemblanceReport:
    """Whom an upload's face is like.

    Attributes:
        nearest: the known person it resembles most; of those it must not be, if there are any.
        flagged: identity ids of those, and what a person is asked to look into.
    """

    nearest: Resemblance | None = None
    flagged: Mapping[str, str] = field(default_factory=dict)


def find_resemblance(template: np.ndarray, name: str, known: KnownPeople) -> ResemblanceReport:
    """Look an upload's face up among everyone known.

    Args:
        template: float [128], unit length: mean vector of the upload's faces.
        name: that it came with.
        known: with whom it is compared.
    """
    alike = resembling(template, known.templates())
    flagged = [one for one in alike if _is_another(known, name, one)][:3]
    return ResemblanceReport(
        (flagged or alike or [None])[0],
        {one.identity_id: _flag(one, known.shown(one.identity_id)) for one in flagged},
    )


def _is_another(known: KnownPeople, name: str, nearest: Resemblance) -> bool:
    """The same face under another name is for a person to decide, and never merged.

    So is that of a celebrity under any name, and of an upload that is not accepted itself: nobody
    gets past a review by sending the same again.
    """
    if not nearest.same or not known.is_accepted(nearest.identity_id):
        return nearest.same
    return tidy(known.name(nearest.identity_id)).casefold() != tidy(name).casefold()


def _flag(nearest: Resemblance, other: str) -> str:
    return (
        f"the face looks like {other} ({nearest.identity_id}): similarity "
        f"{nearest.similarity:.2f}, limit {nearest.threshold:.2f}"
    )
