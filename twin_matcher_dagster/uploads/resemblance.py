"""Is a new face somebody who is known already, or made of those who are; is the name somebody's?

The same face under another name is for the operator's eyes. With the same name as well it is
another clip of that person, which is held out: nobody's faces are merged by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from twin_matcher_dagster.dataset.identity import is_celebrity, tidy
from twin_matcher_dagster.faces.sameness import Sameness, load_sameness
from twin_matcher_dagster.uploads.confusables import NameLook
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster.uploads.mixtures import BETWEEN, between, crops_of_others

if TYPE_CHECKING:
    from twin_matcher_dagster.faces.recheck import Recheck

KNOWN_PERSON = 0.5
"""Sameness of two people's mean faces from which they are taken for one.

Means over 10 photos of one person were at 0.87 and above, of two people at 0.43 and below: of 17
real people as of 24 rendered ones. Means of two clips of one rendered person were at 0.82 and more.
"""

# So many people, or names, are named at most.
_NAMED = 3
# So many known people are compared at a time; 13 MB beside the cohort.
_BLOCK = 4096


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


@dataclass(frozen=True)
class ResemblanceReport:
    """Whom an upload's face is like.

    Attributes:
        nearest: the known person it resembles most; of those it must not be, if there are any.
        flagged: identity ids of those, and what a person is asked to look into.
        hints: what a person may want to look into.
        person: mark of the nearest accepted upload with this face and name, see
            :func:`~.parts.person_of`; empty where there is none.
    """

    nearest: Resemblance | None = None
    flagged: Mapping[str, str] = field(default_factory=dict)
    hints: tuple[str, ...] = ()
    person: str = ""


def find_resemblance(
    faces: Recheck, name: str, known: KnownPeople, recogniser: str
) -> ResemblanceReport:
    """Look an upload's faces and its name up among everyone known.

    Args:
        faces: of the upload.
        name: that it came with.
        known: with whom it is compared.
        recogniser: name of the one whose vectors they are.
    """
    flags: dict[str, list[str]] = defaultdict(list)
    alike = _resembling(faces, name, known, load_sameness(recogniser), flags)
    another = [one for one in alike if one.identity_id in flags]
    own = [one for one in alike if one.same and not _is_another(known, name, one.identity_id)]
    hints = _look_at_names(name, known, flags)
    return ResemblanceReport(
        nearest=(another or alike or [None])[0],
        flagged={who: "; ".join(why) for who, why in flags.items()},
        hints=tuple(hints),
        person=known.person(own[0].identity_id) if own else "",
    )


def resembling(names: Sequence[str], alike: np.ndarray) -> list[Resemblance]:
    """Whom a new person is like.

    Args:
        names: identity ids of everyone known.
        alike: float [k], sameness of their mean faces with the new person's.

    Returns:
        The nearest one, and all who are taken for the same person, the nearest first; nothing where
        nobody is known.
    """
    found = [Resemblance(names[i], float(alike[i])) for i in np.argsort(-alike, kind="stable")]
    return [*found[:1], *(one for one in found[1:] if one.same)]


def compared(shown: np.ndarray, known: np.ndarray, sameness: Sameness) -> np.ndarray:
    """Sameness of some faces with everyone known, some thousands at a time: float [n, k].

    Args:
        shown: float32 [n, 128], unit vectors.
        known: float32 [k, 128], mean faces, k >= 1.
        sameness: how they are compared.
    """
    blocks = (known[start : start + _BLOCK] for start in range(0, len(known), _BLOCK))
    return np.concatenate([sameness(shown, block) for block in blocks], axis=1)


def _resembling(
    faces: Recheck,
    name: str,
    known: KnownPeople,
    sameness: Sameness,
    flags: dict[str, list[str]],
) -> list[Resemblance]:
    """Whom the mean face is like; flagged is who it must not be, by the mean, crops, or a pair."""
    templates = known.templates()
    if not templates:
        return []
    names, everybody = list(templates), np.stack(list(templates.values()))
    scores = compared(np.stack([faces.template, *faces.vectors]), everybody, sameness)
    alike = resembling(names, scores[0])
    same = [one for one in alike if one.same]
    for one in [one for one in same if _is_another(known, name, one.identity_id)][:_NAMED]:
        flags[one.identity_id].append(
            f"the face looks like {known.called(one.identity_id)}: similarity "
            f"{one.similarity:.2f}, limit {KNOWN_PERSON:.2f}"
        )
    own = sameness(faces.vectors, faces.template[None])[:, 0]
    counts = crops_of_others(scores[1:], own, KNOWN_PERSON)
    for place in np.argsort(-counts, kind="stable")[:_NAMED]:
        who = names[place]
        if counts[place] and who not in flags and _is_another(known, name, who):
            flags[who].append(
                f"{counts[place]} of {len(own)} faces look like {known.called(who)}: similarity "
                f"{KNOWN_PERSON:.2f} and above"
            )
    pair = None if same else between(scores[0], everybody, sameness)
    if pair and pair.explained >= BETWEEN:
        both = [names[pair.one], names[pair.other]]
        for who, other in (both, both[::-1]):
            flags[who].append(
                f"the face lies between {known.called(who)} and {known.called(other)}: "
                f"{pair.explained:.2f} of it is theirs, limit {BETWEEN:.2f}"
            )
    return alike


def _is_another(known: KnownPeople, name: str, identity_id: str) -> bool:
    """The same face under another name is for a person to decide, and never merged.

    So is that of a celebrity under any name, and of an upload that is not accepted itself: nobody
    gets past a review by sending the same again.
    """
    return not known.is_accepted(identity_id) or not _equal(known.name(identity_id), name)


def _equal(one: str, other: str) -> bool:
    """Whether two names are written alike, but for case and spaces."""
    return tidy(one).casefold() == tidy(other).casefold()


def _look_at_names(name: str, known: KnownPeople, flags: dict[str, list[str]]) -> list[str]:
    """Hints at those whose name can be taken for this one; a celebrity's name itself is flagged."""
    look, hints = NameLook.of(name), []
    plain = look.unmarked()
    for who, other in known.names().items():
        its = NameLook.of(other)
        if is_celebrity(who) and its.is_like(look):
            flags[who].append(f"the name looks like that of {known.called(who)}")
        elif not _equal(other, name) and its.unmarked().is_like(plain):
            hints.append(f"the name looks like that of {known.called(who)}")
    return hints[:_NAMED]
