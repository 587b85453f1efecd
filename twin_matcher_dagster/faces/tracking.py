"""Who is who in a clip: faces are followed by position, and told apart by the recogniser.

Embedding every face of every frame would cost more than finding them. So a face is followed by
where it is, looked at now and then, and looked at closely only where it may have become another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from twin_matcher_dagster.faces.detection import Detection
from twin_matcher_dagster.faces.quality import Measures
from twin_matcher_dagster.faces.sameness import Sameness
from twin_matcher_dagster.faces.templates import template_of

# Vectors of aligned crops: uint8 [n, 160, 160, 3] -> float32 [n, 128].
Embed = Callable[[Sequence[np.ndarray]], np.ndarray]

SAME_IN_CLIP = 0.40
"""Sameness of a face and its person's mean face, in one clip: in 4 real and 8 rendered clips people
kept above 0.59 while they turned, and other people stayed below 0.10."""

EMBED_EVERY_S = 1.0
# Mean difference of grey levels between a crop and the next: half of those of heads that turn were
# below 15, 95% below 31; two people were more than 26 apart.
_JUMP = 20.0
# A face may move by this share of its own size from one frame to the next and be the same.
_MAX_MOVE = 0.6
_MAX_GROWTH = 1.6
MAX_GAP_S = 0.35
"""After this long without the face, whoever comes is looked at as somebody new."""


@dataclass(eq=False)
class TrackedFace:
    """One face in one frame.

    Attributes:
        time: seconds from the start of the clip.
        face: where it is.
        crop: uint8 RGB [160, 160, 3], aligned.
        size: width and height of the frame in pixels.
        faces_in_frame: how many faces were found beside it, and it.
        vector: float32 [128], once somebody looked.
        measures: of the crop, where they were taken already.
    """

    time: float
    face: Detection
    crop: np.ndarray
    size: tuple[int, int]
    faces_in_frame: int = 1
    vector: np.ndarray | None = None
    measures: Measures | None = None


@dataclass(eq=False)
class Person:
    """All that was seen of one person, in order of time."""

    seen: list[TrackedFace] = field(default_factory=list)

    @property
    def template(self) -> np.ndarray:
        """Mean of the vectors at hand, unit length, float32 [128]."""
        return template_of(np.stack([one.vector for one in self.seen if one.vector is not None]))


def people_of(
    frames: Sequence[Sequence[TrackedFace]],
    embed: Embed,
    sameness: Sameness,
    same: float = SAME_IN_CLIP,
) -> list[Person]:
    """The people of a clip, who is in front most often first.

    Not who is seen most often: somebody small in the background is in every frame, too.

    Args:
        frames: the faces of each frame, the largest first, in order of time.
        embed: the recogniser.
        sameness: how its vectors are compared.
        same: sameness of two mean faces from which on they are one person's.
    """
    parts: list[Person] = []
    for track in _tracks(frames):
        parts += _split(track, embed, sameness)
    front = {seen[0] for seen in frames if seen}
    return sorted(
        _joined(parts, sameness, same),
        key=lambda person: (len(front.intersection(person.seen)), len(person.seen)),
        reverse=True,
    )


def _joined(parts: list[Person], sameness: Sameness, same: float) -> list[Person]:
    """Join the two that are most alike, again and again, while they are alike enough.

    A mean of many faces is a better judge than one of few: so the order matters.
    """
    people = list(parts)
    templates = [person.template for person in people]
    while len(people) > 1:
        shown = np.stack(templates)
        alike = sameness(shown, shown)
        np.fill_diagonal(alike, -np.inf)
        # The table is symmetric: the first of its largest entries has the smaller number first.
        first, second = (int(place) for place in np.unravel_index(alike.argmax(), alike.shape))
        if alike[first, second] < same:
            break
        one = people[first]
        one.seen = sorted(one.seen + people.pop(second).seen, key=lambda seen: seen.time)
        templates.pop(second)
        templates[people.index(one)] = one.template
    return people


def _tracks(frames: Sequence[Sequence[TrackedFace]]) -> list[list[TrackedFace]]:
    """Faces that stay where they were, frame after frame."""
    open_tracks: list[list[TrackedFace]] = []
    closed: list[list[TrackedFace]] = []
    for seen in frames:
        if not seen:
            continue
        now = seen[0].time
        fresh = [track for track in open_tracks if now - track[-1].time <= MAX_GAP_S]
        closed += [track for track in open_tracks if now - track[-1].time > MAX_GAP_S]
        open_tracks = fresh
        pairs = sorted(
            ((_distance(track[-1].face, one.face), t, s))
            for t, track in enumerate(open_tracks)
            for s, one in enumerate(seen)
        )
        taken_tracks: set[int] = set()
        taken_seen: set[int] = set()
        for distance, t, s in pairs:
            if distance <= 1 and t not in taken_tracks and s not in taken_seen:
                open_tracks[t].append(seen[s])
                taken_tracks.add(t)
                taken_seen.add(s)
        open_tracks += [[one] for s, one in enumerate(seen) if s not in taken_seen]
    return closed + open_tracks


def _distance(one: Detection, other: Detection) -> float:
    """How far two boxes are apart; at most 1 is near enough for the same face."""
    size = max(one.height, other.height)
    move = np.hypot(*np.subtract(one.centre, other.centre)) / (size * _MAX_MOVE)
    growth = size / max(1.0, min(one.height, other.height))
    return float(move) if growth <= _MAX_GROWTH else 2.0


def _split(track: list[TrackedFace], embed: Embed, sameness: Sameness) -> list[Person]:
    """Cut a track where the face becomes somebody else's: a cut of the film at the same place."""
    _look(_now_and_then(track), embed)
    looked = [index for index, one in enumerate(track) if one.vector is not None]
    # Where two looks differ, look at every face between them.
    for first, second in pairwise(looked):
        if _alike(track[first], track[second], sameness) < SAME_IN_CLIP:
            _look(track[first : second + 1], embed)
    people: list[Person] = []
    for one in track:
        if not people:
            people.append(Person())
        elif one.vector is not None:
            alike = sameness.pair(one.vector, people[-1].template)
            last = next(s for s in reversed(people[-1].seen) if s.vector is not None)
            if max(alike, _alike(one, last, sameness)) < SAME_IN_CLIP:
                people.append(Person())
        people[-1].seen.append(one)
    return people


def _now_and_then(track: list[TrackedFace]) -> list[TrackedFace]:
    """The first and the last face, one every second between, and where the picture jumps."""
    chosen = [track[0]]
    for before, one in pairwise(track):
        if _jump(before, one):
            chosen += [before] * (chosen[-1] is not before) + [one]
        elif one.time - chosen[-1].time >= EMBED_EVERY_S:
            chosen.append(one)
    return chosen if chosen[-1] is track[-1] else [*chosen, track[-1]]


def _look(faces: Sequence[TrackedFace], embed: Embed) -> None:
    """Embed those that were not looked at yet."""
    new = [one for one in faces if one.vector is None]
    for one, vector in zip(new, embed([one.crop for one in new]), strict=True):
        one.vector = vector


def _alike(one: TrackedFace, other: TrackedFace, sameness: Sameness) -> float:
    if one.vector is None or other.vector is None:
        return 1.0
    return sameness.pair(one.vector, other.vector)


def _jump(one: TrackedFace, other: TrackedFace) -> bool:
    return float(np.abs(one.crop.astype(np.int16) - other.crop).mean()) > _JUMP
