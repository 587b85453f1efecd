"""Who is who in a clip: cuts, people who pass, people who leave and come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.tracking import EMBED_EVERY_S, TrackedFace, people_of
from twin_matcher_dagster_tests.clips import sample_frames

AMARA, TEODOR = "amara_1.mp4", "teodor_1.mp4"


@lru_cache
def shown(clip: str, index: int) -> TrackedFace:
    """The one face of a frame of a sample clip."""
    frame = sample_frames(clip, index + 1)[-1]
    (face,) = detect_faces(frame, 480)
    return TrackedFace(0.0, face, align(frame, face.landmarks), (frame.shape[1], frame.shape[0]))


def at(clip: str, index: int, place: int, shift: float = 0.0) -> TrackedFace:
    """That face in the frame number ``place``, moved to the right by ``shift`` pixels."""
    one = shown(clip, index)
    landmarks = one.face.landmarks + np.array([shift, 0], np.float32)
    face = replace(one.face, x=one.face.x + shift, landmarks=landmarks)
    return TrackedFace(place / 10, face, one.crop, one.size)


def run(clip: str, places: Sequence[int], first: int = 0) -> list[list[TrackedFace]]:
    """Frames of one clip at these places, one face each."""
    return [[at(clip, first + n, place)] for n, place in enumerate(places)]


class Counting:
    """The recogniser, and how many faces it was shown."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.looks += len(crops)
        return load_recogniser()(crops)


def tenths(seen: Sequence[TrackedFace]) -> list[int]:
    return [round(10 * one.time) for one in seen]


@pytest.mark.parametrize("clip", [AMARA, TEODOR])
def test_one_person_who_turns_is_one_person(clip: str) -> None:
    embed = Counting()
    (person,) = people_of(run(clip, range(40)), embed, load_sameness())
    assert tenths(person.seen) == list(range(40))
    # Not every face is looked at closely: where a head turns fast, those between two looks.
    assert embed.looks <= 4.0 / EMBED_EVERY_S + 10


@pytest.mark.parametrize("cut", [8, 13, 15])
def test_a_cut_to_another_person_at_the_same_place_is_split(cut: int) -> None:
    """Exactly at the cut, so that no face goes to the wrong person."""
    frames = [*run(AMARA, range(cut)), *run(TEODOR, range(cut, 24))]
    larger, smaller = people_of(frames, load_recogniser(), load_sameness())
    parts = {tuple(tenths(larger.seen)), tuple(tenths(smaller.seen))}
    assert parts == {tuple(range(cut)), tuple(range(cut, 24))}
    assert len(larger.seen) >= len(smaller.seen)


def test_a_film_that_cuts_to_and_fro_is_two_people() -> None:
    frames = [
        *run(AMARA, range(10)),
        *run(TEODOR, range(10, 18)),
        *run(AMARA, range(18, 28), first=10),
    ]
    amara, teodor = people_of(frames, load_recogniser(), load_sameness())
    assert tenths(amara.seen) == [*range(10), *range(18, 28)]
    assert tenths(teodor.seen) == list(range(10, 18))


def test_somebody_who_passes_is_another_person() -> None:
    frames = run(AMARA, range(25))
    for n in range(10, 16):
        frames[n].append(at(TEODOR, n - 10, n, shift=400 - 30.0 * (n - 10)))
    amara, teodor = people_of(frames, load_recogniser(), load_sameness())
    assert tenths(amara.seen) == list(range(25))
    assert tenths(teodor.seen) == list(range(10, 16))


def test_two_people_side_by_side_stay_apart() -> None:
    """Whichever is found first in a frame."""
    frames = []
    for n in range(20):
        pair = [at(AMARA, n, n), at(TEODOR, n, n, shift=600)]
        frames.append(pair if n % 2 else pair[::-1])
    one, other = people_of(frames, load_recogniser(), load_sameness())
    assert tenths(one.seen) == tenths(other.seen) == list(range(20))
    for person in (one, other):
        assert len({seen.face.x > 500 for seen in person.seen}) == 1
    assert one.template @ other.template < 0.7


@pytest.mark.parametrize("shift", [0, 350])
def test_a_person_who_leaves_and_comes_back_is_one_person(shift: float) -> None:
    """Also at another place."""
    back = [[at(AMARA, n, n + 12, shift)] for n in range(10, 20)]
    frames = [*run(AMARA, range(10)), *([[]] * 12), *back]
    (person,) = people_of(frames, load_recogniser(), load_sameness())
    assert tenths(person.seen) == [*range(10), *range(22, 32)]


def test_who_comes_after_a_gap_is_looked_at_anew() -> None:
    frames = [*run(AMARA, range(10)), *run(TEODOR, range(15, 24))]
    amara, teodor = people_of(frames, load_recogniser(), load_sameness())
    assert tenths(amara.seen) == list(range(10))
    assert tenths(teodor.seen) == list(range(15, 24))


def test_a_face_that_is_missed_for_a_moment_costs_nothing() -> None:
    embed = Counting()
    frames = run(AMARA, range(20))
    frames[5], frames[11] = [], []
    (person,) = people_of(frames, embed, load_sameness())
    assert len(person.seen) == 18
    assert embed.looks <= 8


def test_a_template_is_the_mean_of_the_looks() -> None:
    (person,) = people_of(run(AMARA, range(20)), load_recogniser(), load_sameness())
    assert person.template.shape == (128,)
    assert np.linalg.norm(person.template) == pytest.approx(1, abs=1e-5)
    vectors = [one.vector for one in person.seen if one.vector is not None]
    assert min(vector @ person.template for vector in vectors) > 0.7


@pytest.mark.parametrize("frames", [[], [[]], [[], [], []]])
def test_where_nobody_is_there_are_no_people(frames: list[list[TrackedFace]]) -> None:
    assert people_of(frames, load_recogniser(), load_sameness()) == []
