"""What the figures of an index can say, and whether it may be released by them.

Bounds are exact. Where faces or people are too few for one, that is said and nothing is refused:
a bound that a perfect score does not reach judges nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from twin_matcher_dagster.recognition.comparison import enough_people
from twin_matcher_dagster.recognition.guessing import beyond_guessing, enough_faces
from twin_matcher_dagster.storage.records.index import Figures, Index, Scorers, StrangerFigures
from twin_matcher_dagster.storage.records.training import Model

LEAST_FOUND = 0.8
"""Of held-out faces, by both networks together; the first release has nothing else to be compared
with. 99.4 to 100% were measured of real celebrities."""
LEAST_AGREEMENT = 0.2
"""Rank correlation of likeness with how alike strangers truly are: 0.44 of the metric without
photos. Names drawn by lot have 0."""
NOBODY: Mapping[str, str] = MappingProxyType({})
_WORST = 3

_HOLD_OUT = (
    "Add people or photos to RAW_FACES, or lower MIN_FACES: of whoever has more photos than that, "
    "and three at least, some are held out."
)


@dataclass(frozen=True)
class Judgement:
    """What a gate says.

    Attributes:
        passed: whether the index may go on.
        sentence: why, with the figures; where it may not, with what to do.
        unjudged: what could not be judged and why; empty where all could.
    """

    passed: bool
    sentence: str
    unjudged: str = ""


def judge_found(figures: Scorers | None, names: Mapping[str, str] = NOBODY) -> Judgement:
    """Whether held-out faces find their own identity: more than guessing, and not under 80%.

    Args:
        figures: of an index; None where no face is held out.
        names: identity id -> name, for the sentence.
    """
    if figures is None or not figures.fused.faces:
        sentence = f"Whether faces find their own identity: no face is held out. {_HOLD_OUT}"
        return Judgement(True, sentence, sentence)
    fused = figures.fused
    found = round(fused.rank1 * fused.faces)
    low, high = fused.rank1_interval
    needed = beyond_guessing(fused.chance, fused.faces)
    told = (
        f"{found} of {fused.faces} held-out faces of {len(fused.rank1_by_identity)} people find "
        f"their own identity ({fused.rank1:.1%}, 95% interval {low:.1%} to {high:.1%})"
    )
    if needed is not None and fused.rank1 < needed:
        limit = f"no guess is from {needed:.1%} on"
    elif high < LEAST_FOUND:
        limit = f"the interval should reach {LEAST_FOUND:.0%}"
    elif needed is None:
        more = enough_faces(fused.chance)
        would_do = f"{more} would do" if more else "all are of one person"
        sentence = (
            f"Whether faces find their own identity by more than luck: {fused.faces} held-out "
            f"faces are too few to tell, {would_do}. {_HOLD_OUT}"
        )
        return Judgement(True, f"{told}. {sentence}", sentence)
    else:
        return Judgement(True, f"{told}; no guess is from {needed:.1%} on.")
    return Judgement(False, f"{told}, and {limit}. {_worst(fused, names)}{_MEND}")


_MEND = (
    "Look at the hardest faces in the metadata of face_index, and in that of balanced_faces at who "
    "may be one person under two names; mend names with `twin-matcher review export table.csv`, or "
    "add photos to RAW_FACES, and launch the job `celebrities`; or train longer with EPOCHS."
)


def _worst(figures: Figures, names: Mapping[str, str]) -> str:
    worst = sorted(figures.rank1_by_identity.items(), key=lambda one: one[1])[:_WORST]
    told = ", ".join(f"{names.get(who, who)} ({share:.0%})" for who, share in worst)
    return f"Worst are {told}. "


def judge_strangers(strangers: StrangerFigures | None) -> Judgement:
    """Whether two photos of a stranger get one twin, and whoever is said to be alike is.

    Args:
        strangers: figures of an index; None in those of an earlier version.
    """
    if strangers is None:
        return Judgement(True, "An earlier version did not measure.")
    needed = beyond_guessing(strangers.commonest, strangers.people)
    told = (
        f"Two photos of {strangers.same_twin:.1%} of {strangers.people} strangers get one twin, "
        f"and likeness agrees with how alike they truly are by {strangers.agreement:.2f}"
    )
    if strangers.agreement < LEAST_AGREEMENT:
        limit = f"at least {LEAST_AGREEMENT} are needed of the last"
    elif needed is not None and strangers.same_twin < needed:
        limit = f"chance gives up to {needed:.1%} one twin"
    elif needed is None:
        sentence = (
            "Whether strangers get one twin by more than chance: one person of the gallery is the "
            f"twin of {strangers.commonest:.1%} of them. Add people to RAW_FACES."
        )
        return Judgement(True, f"{told}. {sentence}", sentence)
    else:
        return Judgement(True, f"{told}; chance gives less than {needed:.1%} one twin.")
    return Judgement(
        False,
        f"{told}, and {limit}. Look at the photos of balanced_faces, of which likeness has its "
        "metric; mend them with `twin-matcher review export table.csv`, or set RAW_FACES to "
        "others, and launch the job `celebrities`.",
    )


def unjudged_of(index: Index, model: Model, validation: Mapping[str, int]) -> tuple[str, ...]:
    """All that too few faces or people leave open about an index, a sentence each.

    Args:
        index: which.
        model: that it is of.
        validation: identity id -> how many faces validated its training.
    """
    told = [judge_found(index.figures).unjudged, judge_strangers(index.strangers).unjudged]
    told.append(_training(validation))
    if model.newcomers is None:
        told.append(
            "What the training does to people whom it did not learn: there are too few celebrities "
            "or photos to keep anybody out."
        )
    people = len(index.figures.fused.rank1_by_identity) if index.figures else 0
    if people < enough_people():
        told.append(
            f"Whether a later model is worse: faces of {people} people are held out, and "
            f"{enough_people()} can show it."
        )
    return tuple(filter(None, told))


def _training(validation: Mapping[str, int]) -> str:
    counts = np.array([count for count in validation.values() if count])
    faces = int(counts.sum())
    if faces and beyond_guessing(float(counts.max() / faces), faces) is not None:
        return ""
    return (
        f"Whether the training learnt by more than luck: {faces} faces validate it, which is too "
        "few to tell."
    )
