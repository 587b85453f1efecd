"""Stand-ins for a release, which answer at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.faces.advice import Hint
from twin_matcher_dagster.faces.single_face import PhotoOfSeveral
from twin_matcher_dagster.media.images import encode_png
from twin_matcher_dagster.release.answers import (
    Answer,
    ChoiceAnswer,
    FaceChoice,
    PairAnswer,
    TwinCard,
)

CROP = np.full((160, 160, 3), 90, np.uint8)
PORTRAIT = encode_png(CROP)
ADA = TwinCard("c-1", "Ada <b>L", "celebrity", 0.973, (PORTRAIT,), About(age=36, invented=True))
BEN = TwinCard("u-01ARZ3NDEKTSV4RRFFQ69G5FAV", "Ben", "user", 0.4, (PORTRAIT[:-1] + b"!",))
HINT = Hint("too dark", "The photo is dark. Face a window or a lamp.")
ANSWER = Answer(7, CROP, None, (ADA, BEN), True, (HINT,), (CROP,), 0, None, 12)
SCENE = PhotoOfSeveral(CROP, [(0.1, 0.2, 0.3, 0.4), (0.5, 0.2, 0.3, 0.4)])
CHOICE = FaceChoice(7, (CROP, CROP), "Several faces were found (2). Choose one of them.", SCENE)
PAIR = PairAnswer(7, (CROP, CROP), False, 0.991, ((HINT,), ()))
MORE = ChoiceAnswer((PAIR, PAIR), 1, True)
Said = Answer | FaceChoice | PairAnswer | ChoiceAnswer | TwinMatcherError


class Finder:
    """A release, and the production that has it, which says this and notes what it was asked."""

    def __init__(self, said: Said | Callable[[], Said] = ANSWER) -> None:
        self.said = said
        self.asked: list[tuple[Any, ...]] = []
        self.number = 7

    def finder(self) -> Finder:
        return self

    def ask(self, photo: np.ndarray, face: int | None, top: int, kind: str | None = None) -> Any:
        self.asked.append((photo.shape, face, top, kind))
        return self._say()

    def find(self, photo: Any, top: int, face: int | None, kind: str | None) -> Any:
        return self.ask(photo, face, top, kind)

    def compare(self, one: np.ndarray, other: np.ndarray) -> Any:
        self.asked.append((one.shape, other.shape))
        return self._say()

    def choose(self, person: np.ndarray, one: np.ndarray, other: np.ndarray) -> Any:
        self.asked.append((person.shape, one.shape, other.shape))
        return self._say()

    def _say(self) -> Any:
        said = self.said() if callable(self.said) else self.said
        if isinstance(said, Exception):
            raise said
        return said

    def since(self, release: int) -> Finder:
        """The same with another release."""
        self.number = release
        assert isinstance(self.said, Answer)
        self.said = replace(self.said, release=release)
        return self
