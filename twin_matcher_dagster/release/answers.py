"""What a release says: who a probe is, who looks like them, how alike two photos are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster.dataset.biographies import About
from twin_matcher_dagster.faces.advice import Hint
from twin_matcher_dagster.faces.single_face import PhotoOfSeveral
from twin_matcher_dagster.recognition.likeness import likeness_in_words


@dataclass(frozen=True)
class TwinCard:
    """Somebody of the gallery as they are shown.

    Attributes:
        identity_id: who.
        label: name for display, free text: escape it.
        kind: celebrity or user.
        likeness: share of pairs of a stranger and somebody of the gallery that are less alike, 0 to
            1; None where the release does not know.
        portraits: encoded face crops, the most typical first.
        about: a short biography of a celebrity, where the source has one; free text too.
    """

    identity_id: str
    label: str
    kind: str
    likeness: float | None
    portraits: tuple[bytes, ...]
    about: About | None = None

    @property
    def words(self) -> str:
        """The likeness in words; empty where it is not known."""
        return _words(self.likeness)

    @property
    def percent(self) -> int | None:
        """Of 100 pairs of people so many are less alike; None where it is not known."""
        return None if self.likeness is None else percent_of(self.likeness)

    @property
    def closeness(self) -> str | None:
        """The first of the words: "very alike"; None where the likeness is not known."""
        return None if self.likeness is None else likeness_in_words(self.likeness)

    @property
    def description(self) -> str:
        """What the person is, in words: nobody takes a rendering for somebody who exists."""
        if self.kind == "user":
            return "another visitor"
        return "celebrity (invented)" if self.about and self.about.invented else "celebrity"


@dataclass(frozen=True)
class Answer:
    """What a release says of one probe; ``TwinFinder.explain`` says why.

    Attributes:
        release: its number.
        face: uint8 RGB [160, 160, 3], the crop that was searched; of several photos the first.
        identity: whom the gallery takes the probe for; None where it is nobody that it knows.
        twins: who looks like the probe, the most alike first; never who it is.
        sure: whether the first twin stays ahead: of one photo, with its face cut out differently;
            of several, by half of them. None where the release does not know likeness.
        hints: what makes the answer less sure, and what to do about it.
        faces: crops of all faces of one photo that may be meant, the largest first.
        chosen: position among them of the one that the answer is about.
        scene: where they are in the photo, if there are several.
        among: of how many people the twins are the most alike.
    """

    release: int
    face: np.ndarray
    identity: TwinCard | None
    twins: tuple[TwinCard, ...]
    sure: bool | None
    hints: tuple[Hint, ...]
    faces: tuple[np.ndarray, ...] = ()
    chosen: int = 0
    scene: PhotoOfSeveral | None = None
    among: int = 0


@dataclass(frozen=True)
class FaceChoice:
    """In place of an answer: a photo shows several faces, and whoever asks has to choose one.

    Attributes:
        release: number of the release that was asked.
        faces: crops of the faces, uint8 RGB [160, 160, 3] each, the largest first.
        advice: what is seen and what to do.
        scene: where they are in the photo.
    """

    release: int
    faces: tuple[np.ndarray, ...]
    advice: str
    scene: PhotoOfSeveral | None = None


@dataclass(frozen=True)
class PairAnswer:
    """How alike two photos are.

    Attributes:
        release: number of the release that was asked.
        faces: the two crops that were compared, uint8 RGB [160, 160, 3].
        same_person: whether both are taken for one person.
        likeness: share of pairs of strangers that are less alike, 0 to 1; None where the release
            does not know.
        hints: on each photo.
    """

    release: int
    faces: tuple[np.ndarray, np.ndarray]
    same_person: bool
    likeness: float | None
    hints: tuple[tuple[Hint, ...], tuple[Hint, ...]]

    @property
    def words(self) -> str:
        """The likeness in words; empty where it is not known."""
        return _words(self.likeness)

    @property
    def closeness(self) -> str | None:
        """As of :class:`TwinCard`."""
        return None if self.likeness is None else likeness_in_words(self.likeness)

    @property
    def percent(self) -> int | None:
        """As of :class:`TwinCard`."""
        return None if self.likeness is None else percent_of(self.likeness)


@dataclass(frozen=True)
class ChoiceAnswer:
    """Whom of two somebody resembles more.

    Attributes:
        pairs: how alike they are to the one, and to the other.
        more: 0 or 1, the one that they resemble more; None where the release does not know.
        sure: whether it stays so, as of a twin; None with ``more``.
    """

    pairs: tuple[PairAnswer, PairAnswer]
    more: int | None
    sure: bool | None


def percent_of(likeness: float) -> int:
    """A likeness, 0 to 1, in percent.

    Never 100, however close: it is one measurement of one photo.
    """
    return min(99, int(100 * likeness))


def _words(likeness: float | None) -> str:
    if likeness is None:
        return ""
    less = percent_of(likeness)
    return f"{likeness_in_words(likeness)}, more alike than {less} of 100 pairs of people"
