"""Faces frame by frame, as a camera gives them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twin_matcher_dagster.faces.clip import report_on
from twin_matcher_dagster.faces.frame_collector import FaceCollector
from twin_matcher_dagster.media.video import MAX_FRAMES
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster_tests.clips import sample_frames, sample_report

EMPTY = np.full((48, 64, 3), 90, np.uint8)


def test_frame_by_frame_is_the_same_as_the_clip() -> None:
    collector = FaceCollector()
    clip = sample_report(SAMPLE / "clips" / "teodor_1.mp4")[0]
    for look, frame in zip(clip.looks, sample_frames("teodor_1.mp4", 60), strict=True):
        collector.add(frame, look.time)
        assert collector.trouble() is None
    assert collector.faces == len(clip.looks)
    assert collector.coverage == clip.coverage
    report = report_on(collector)
    assert report.refused is None
    assert [face.time for face in report.faces] == [face.time for face in clip.faces]
    for mine, theirs in zip(report.faces, clip.faces, strict=True):
        assert np.array_equal(mine.image, theirs.image)


def test_it_says_what_is_wrong_with_a_frame() -> None:
    good = sample_frames("amara_1.mp4", 1)[0]
    other = sample_frames("teodor_1.mp4", 1)[0]
    far = cv2.copyMakeBorder(
        cv2.resize(good, (120, 90), interpolation=cv2.INTER_AREA), 200, 190, 260, 260,
        cv2.BORDER_CONSTANT, value=(90, 90, 90),
    )  # fmt: skip
    collector = FaceCollector()
    said = []
    for n, frame in enumerate([EMPTY, good, np.hstack([good, other]), good // 6, far]):
        collector.add(frame, float(n))
        said.append(collector.trouble())
    assert said == ["no face", None, "somebody else beside", "too dark", "too small"]
    assert collector.faces == 4


def test_frames_that_come_too_fast_are_passed_over() -> None:
    collector = FaceCollector()
    for n in range(30):
        collector.add(EMPTY, n / 30)
    assert len(collector.frames) == 10


@pytest.mark.parametrize("count", [101, 210])
def test_however_many_come_a_hundred_are_kept_evenly(count: int) -> None:
    collector = FaceCollector()
    photo = cv2.resize(sample_frames("amara_1.mp4", 1)[0], (160, 120))
    for n in range(count):
        collector.add(photo, n / 10)
    times = [frame[0].time for frame in collector.frames]
    assert MAX_FRAMES / 2 <= len(times) <= MAX_FRAMES
    assert times[0] == 0
    assert times[-1] > 0.95 * (count - 1) / 10 - 0.4
    assert np.diff(times) == pytest.approx(np.diff(times)[0], abs=0.01)


def test_nothing_is_no_face() -> None:
    collector = FaceCollector()
    assert (collector.faces, collector.coverage.share) == (0, 0)
    refused = report_on(collector).refused
    assert refused is not None
    assert refused.reason == "no face"
