"""The guided camera: done when it has enough, and never when it is refused."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.media.video import MAX_FRAMES
from twin_matcher_dagster.pages.camera_guide import Guide
from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster_tests.clips import sample_frames

ENGLISH = words_in("en")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The guide's clock: five frames a second."""
    times = [0.0]

    def tick() -> float:
        times[0] += 0.2
        return times[0]

    monkeypatch.setattr("twin_matcher_dagster.pages.camera_guide.time.monotonic", tick)
    return times


def test_the_guide_is_done_when_it_has_enough(clock: list[float]) -> None:
    guide = Guide()
    count = next(n for n, frame in enumerate(sample_frames("amara_1.mp4", 45)) if guide.add(frame))
    assert MIN_FACES < count < 45
    assert guide.finish().refused is None
    assert "Done" in guide.advice(ENGLISH)


def test_the_guide_never_says_done_to_a_set_that_is_refused(clock: list[float]) -> None:
    """Some good faces, and then nothing but bad ones."""
    guide = Guide()
    good = sample_frames("amara_1.mp4", MIN_FACES - 4)
    dark = [frame // 8 for frame in good]
    frames = [*good, *dark * (MAX_FRAMES // len(dark))]
    count = next(n for n, frame in enumerate(frames, 1) if guide.add(frame))
    assert count == MAX_FRAMES
    report = guide.finish()
    assert report.refused is not None
    assert "did not work" in guide.advice(ENGLISH)
    # None of the good ones was dropped on the way.
    assert len(report.faces) == len(good)


def test_whoever_stops_early_keeps_what_there_is(clock: list[float]) -> None:
    guide = Guide()
    for frame in sample_frames("amara_1.mp4", MIN_FACES + 3):
        guide.add(frame)
    assert not guide.done
    assert guide.finish().refused is None
    assert guide.done


def test_who_turns_to_neither_side_is_told_that_there_is_enough(clock: list[float]) -> None:
    guide = Guide()
    ahead = sample_frames("amara_1.mp4", 1)[0]
    noise = np.random.default_rng(0)
    for number in range(45):
        moved = np.roll(ahead, number % 7, axis=1).astype(np.int16)
        guide.add((moved + noise.integers(0, 6, moved.shape)).clip(0, 255).astype(np.uint8))
    assert "enough, but better with a turn" in guide.advice(ENGLISH)
    assert not guide.done


def test_the_ring_fills_as_the_head_turns(clock: list[float]) -> None:
    guide = Guide()
    lit = [guide.ring(ENGLISH).count('class="lit"')]
    for frame in sample_frames("amara_1.mp4", 40):
        guide.add(frame)
        lit.append(guide.ring(ENGLISH).count('class="lit"'))
    assert lit[0] == 0
    assert lit == sorted(lit)
    assert lit[-1] > 12  # more than one side
