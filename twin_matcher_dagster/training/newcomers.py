"""Celebrities who are kept out of a training, to see what it does to whoever comes later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan

ENROLLED, ASKED = 20, 20
"""Photos by which a newcomer is known, about as many as a clip gives; and others to ask about."""
_MOST = 5
# A smaller gallery can spare nobody.
_FEWEST = 8


@dataclass(frozen=True)
class Lessons:
    """The faces of a training.

    Attributes:
        labels: identity id -> name, in class order: the newcomers are the last.
        learnt: faces to train on.
        newcomers: photos of people who are kept out, of the training split too.
        validation: held-out faces of both.
    """

    labels: Mapping[str, str]
    learnt: LabelledFaces
    newcomers: LabelledFaces
    validation: LabelledFaces


def without_newcomers(
    train: LabelledFaces,
    validation: LabelledFaces,
    labels: Mapping[str, str],
    seed: int,
    share: float = TrainingPlan.newcomers,
) -> Lessons:
    """Keep some celebrities out, at most 5, by lot; nobody of a small gallery.

    The lot is each identity's own: who was kept out of a model is kept out too where that one is
    trained on.

    Args:
        train, validation: faces of everybody.
        labels: identity id -> name, in class order.
        seed: of the training.
        share: of those who have photos enough, 0 to 1.
    """
    people = list(labels)
    new = _drawn(people, train.classes, validation.classes, seed, share)
    order = [number for number in range(len(people)) if number not in new] + new
    classes = np.argsort(order)
    kept = ~np.isin(train.classes, new)
    return Lessons(
        {people[number]: labels[people[number]] for number in order},
        _renumbered(train.where(kept) if new else train, classes),
        _renumbered(train.where(~kept), classes),
        _renumbered(validation, classes),
    )


def _drawn(
    people: Sequence[str], train: np.ndarray, validation: np.ndarray, seed: int, share: float
) -> list[int]:
    photos = np.bincount(train, minlength=len(people))
    able = [
        number
        for number in np.unique(validation).tolist()
        if is_celebrity(people[number]) and photos[number] >= ENROLLED + ASKED
    ]

    def lot(number: int) -> bytes:
        return hashlib.sha256(f"{seed} {people[number]}".encode()).digest()

    count = min(_MOST, int(share * len(able))) if len(able) >= _FEWEST else 0
    return sorted(sorted(able, key=lot)[:count])


def _renumbered(faces: LabelledFaces, classes: np.ndarray) -> LabelledFaces:
    return LabelledFaces(faces.images, classes[faces.classes], faces.teacher)
