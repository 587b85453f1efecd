"""Is a new face somebody who is known already?

The same face under another name is for the operator's eyes. With the same name as well it is
another clip of that person, which is held out: nobody's faces are merged by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.faces.sameness import Sameness, load_sameness
from twin_matcher_dagster.uploads.known_people import KnownPeople

KNOWN_PERSON = 0.5
"""Sameness of two people's mean faces from which they are taken for one.

Means over 10 photos of one person were at 0.87 and above, of two people at 0.43 and below: of 17
real people as of 24 rendered ones. Means of two clips of one rendered person were at 0.82 and more.
"""


@dataclass(frozen=True)
class Resemblance:
    """The known person that a new one resembles most.

    Attributes:
        identity_id: who.
        similarity: sameness of the two mean faces, 1 at most.
    """

    identity_id: str
    similarity: float

    @property
    def same(self) -> bool:
        """Whether the two are taken for one person."""
        return self.similarity >= KNOWN_PERSON


def resembling(
    template: np.ndarray, known: Mapping[str, np.ndarray], sameness: Sameness
) -> list[Resemblance]:
    """Compare a new person with everyone known.

    Args:
        template: float [128], unit length: mean vector of the new person.
        known: the same of everyone known, by identity id.
        sameness: how vectors are compared.

    Returns:
        The nearest one, and all who are taken for the same person, the nearest first; nothing where
        nobody is known.
    """
    if not known:
        return []
    names: Sequence[str] = list(known)
    scores = sameness(template[None], np.stack([known[name] for name in names]))[0]
    found = [Resemblance(names[i], float(scores[i])) for i in np.argsort(-scores)]
    return [found[0], *(one for one in found[1:] if one.same)]


@dataclass(frozen=True)
class ResemblanceReport:
    """Whom an upload's face is like.

    Attributes:
        nearest: the known person it resembles most; of those it must not be, if there are any.
        flagged: identity ids of those, and what a person is asked to look into.
        person: mark of the nearest accepted upload with this face and name, see
            :func:`~.parts.person_of`; empty where there is none.
    """

    nearest: Resemblance | None = None
    flagged: Mapping[str, str] = field(default_factory=dict)
    person: str = ""


def find_resemblance(
    template: np.ndarray, name: str, known: KnownPeople, recogniser: str
) -> ResemblanceReport:
    """Look an upload's face up among everyone known.

    Args:
        template: float [128], unit length: mean vector of the upload's faces.
        name: that it came with.
        known: with whom it is compared.
        recogniser: name of the one whose vectors they are.
    """
    alike = resembling(template, known.templates(), load_sameness(recogniser))
    another = [one for one in alike if _is_another(known, name, one)]
    own = [one for one in alike if one.same and one not in another]
    flagged = another[:3]
    return ResemblanceReport(
        (flagged or alike or [None])[0],
        {one.identity_id: _flag(one, known.shown(one.identity_id)) for one in flagged},
        known.person(own[0].identity_id) if own else "",
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
        f"{nearest.similarity:.2f}, limit {KNOWN_PERSON:.2f}"
    )
