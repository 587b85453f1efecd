"""Which faces are refused, and that every verdict says what was measured and what was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.pose import Pose
from twin_matcher_dagster.faces.quality import (
    Accepted,
    Duplicates,
    Measures,
    QualityLimits,
    Rejected,
    faults_of,
    judge,
    measure,
)
from twin_matcher_dagster_tests.clips import CLIPS, sample_frames, sample_report
from twin_matcher_dagster_tests.faces.test_pose import leaning, turned

LIMITS = QualityLimits()
GOOD = Measures(
    score=0.99,
    height=200,
    sharpness=0.1,
    brightness=120,
    contrast=40,
    inside=1,
    eyes=-1,
    pose=Pose(0, 0, 0),
)


@lru_cache
def real_face() -> tuple[np.ndarray, Detection, tuple[int, int]]:
    """A crop of a sample clip, where it was found, and the size of the frame."""
    frame = sample_frames("amara_1.mp4", 1)[0]
    (face,) = detect_faces(frame)
    return align(frame, face.landmarks), face, (frame.shape[1], frame.shape[0])


def flattened(crop: np.ndarray) -> np.ndarray:
    return (crop.mean() + (crop - crop.mean()) * 0.1).astype(np.uint8)


def test_a_good_face_is_accepted() -> None:
    measures = measure(*real_face())
    assert judge(measures) == Accepted()
    assert judge(GOOD) == Accepted()
    assert measures.height == real_face()[1].height
    assert measures.score == real_face()[1].score
    assert measures.inside > 0.9


@pytest.mark.parametrize(
    ("spoilt", "reason", "threshold"),
    [
        (lambda crop: crop // 8, "too dark", LIMITS.darkest),
        (lambda crop: 255 - crop // 9, "too bright", LIMITS.brightest),
        (flattened, "no contrast", LIMITS.contrast),
        (lambda crop: cv2.GaussianBlur(crop, (0, 0), 12), "blurred", LIMITS.sharpness),
    ],
    ids=["dark", "bright", "flat", "blurred"],
)
def test_a_spoilt_crop_is_refused_with_what_was_measured(
    spoilt: Callable[[np.ndarray], np.ndarray], reason: str, threshold: float
) -> None:
    crop, face, size = real_face()
    # Blur and much light take contrast away, too: here they are judged by themselves.
    limits = LIMITS if reason == "no contrast" else replace(LIMITS, contrast=0)
    verdict = judge(measure(spoilt(crop), face, size), limits)
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, verdict.threshold) == (reason, threshold)
    assert (verdict.value > threshold) == (reason == "too bright")


@pytest.mark.parametrize("clip", CLIPS[::3], ids=lambda clip: clip.stem)
def test_the_more_a_crop_is_blurred_the_less_sharp_it_is(clip: Path) -> None:
    """Down to the limit: rounding to whole greys must not count as detail."""
    crop = sample_report(clip)[0].faces[0].image
    _, face, size = real_face()
    blurs = [crop, *(cv2.GaussianBlur(crop, (0, 0), strength) for strength in (1, 2, 4, 8, 16))]
    sharpness = [measure(blurred, face, size).sharpness for blurred in blurs]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 4 * LIMITS.sharpness
    assert sharpness[-1] < LIMITS.sharpness


@pytest.mark.parametrize("strength", [0, 2])
def test_blur_is_told_from_little_light(strength: int) -> None:
    """Sharpness is measured against the crop's own contrast."""
    crop, face, size = real_face()
    blurred = cv2.GaussianBlur(crop, (0, 0), strength) if strength else crop
    bright = measure(blurred, face, size).sharpness
    dim = measure((blurred * 0.5).astype(np.uint8), face, size).sharpness
    assert dim == pytest.approx(bright, rel=0.25)


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_face_that_leaves_the_frame_is_cut_off(direction: tuple[int, int]) -> None:
    crop, face, size = real_face()
    found = []
    for share in np.linspace(0, 1, 12):
        moved = face.landmarks + np.array(direction) * np.array(size) * share
        found.append(judge(measure(crop, replace(face, landmarks=moved), size)))
    assert found[0] == Accepted()
    reasons = [one.reason for one in found if isinstance(one, Rejected)]
    assert set(reasons) == {"cut off"}
    insides = [one.value for one in found if isinstance(one, Rejected)]
    assert insides == sorted(insides, reverse=True)
    assert insides[0] < LIMITS.inside
    assert insides[-1] < 0.1


def test_a_negative_is_told_by_its_bright_eyes() -> None:
    crop, face, size = real_face()
    assert judge(measure(crop, face, size)) == Accepted()
    verdict = judge(measure(255 - crop, face, size))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "negative"


@pytest.mark.parametrize(
    ("pose", "reason"),
    [((80, 0, 0), "turned away"), ((-80, 0, 0), "turned away"), ((0, 56, 0), "tilted"),
     ((0, -56, 0), "tilted"), ((0, 0, 60), "leaning"), ((0, 0, -60), "leaning")],
)  # fmt: skip
def test_a_head_that_looks_away_is_refused_either_way(
    pose: tuple[float, float, float], reason: str
) -> None:
    crop, face, _ = real_face()
    landmarks = leaning(turned(*pose[:2])[:, :2], pose[2]) * 60 + 500
    verdict = judge(measure(crop, replace(face, landmarks=landmarks), (1000, 1000)))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == reason
    assert verdict.value == pytest.approx(max(abs(angle) for angle in pose), abs=0.1)
    assert verdict.value > verdict.threshold


@pytest.mark.parametrize(
    ("limit", "reason", "broken"),
    [
        ("score", "unsure", lambda value: replace(GOOD, score=value - 0.01)),
        ("height", "too small", lambda value: replace(GOOD, height=value - 1)),
        ("inside", "cut off", lambda value: replace(GOOD, inside=value - 0.01)),
        ("darkest", "too dark", lambda value: replace(GOOD, brightness=value - 1)),
        ("contrast", "no contrast", lambda value: replace(GOOD, contrast=value - 1)),
        ("sharpness", "blurred", lambda value: replace(GOOD, sharpness=value / 2)),
        ("brightest", "too bright", lambda value: replace(GOOD, brightness=value + 1)),
        ("yaw", "turned away", lambda value: replace(GOOD, pose=Pose(value + 1, 0, 0))),
        ("pitch", "tilted", lambda value: replace(GOOD, pose=Pose(0, -value - 1, 0))),
        ("eyes", "negative", lambda value: replace(GOOD, eyes=value + 0.1)),
        ("roll", "leaning", lambda value: replace(GOOD, pose=Pose(0, 0, value + 1))),
    ],
)
def test_each_limit_is_its_own(
    limit: str, reason: str, broken: Callable[[float], Measures]
) -> None:
    """Just beyond it is refused, with other limits as they are; a wider limit accepts the face."""
    threshold = getattr(LIMITS, limit)
    verdict = judge(broken(threshold))
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, verdict.threshold) == (reason, threshold)
    at_most = limit in ("brightest", "yaw", "pitch", "roll", "eyes")
    assert (verdict.value > threshold) == at_most
    wider = replace(LIMITS, **{limit: threshold * (2 if at_most else 0.25)})
    assert judge(broken(threshold), wider) == Accepted()


def test_at_its_limit_a_face_is_accepted() -> None:
    edge = Measures(
        score=LIMITS.score,
        height=LIMITS.height,
        sharpness=LIMITS.sharpness,
        brightness=LIMITS.darkest,
        contrast=LIMITS.contrast,
        inside=LIMITS.inside,
        eyes=LIMITS.eyes,
        pose=Pose(-LIMITS.yaw, LIMITS.pitch, -LIMITS.roll),
    )
    assert judge(edge) == Accepted()
    assert judge(replace(edge, brightness=LIMITS.brightest)) == Accepted()


def test_a_verdict_reads_as_words() -> None:
    assert str(Rejected("too dark", 12.3456, 28)) == "too dark (12.3, limit 28)"


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_crop_of_one_grey_has_numbers_all_the_same(value: int) -> None:
    crop, face, size = real_face()
    measures = measure(np.full_like(crop, value), face, size)
    numbers = [getattr(measures, field.name) for field in fields(measures)[:-1]]
    assert np.isfinite(numbers).all()
    assert isinstance(judge(measures), Rejected)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_nothing_of_a_sample_clip_is_left_out(clip: Path) -> None:
    report = sample_report(clip)[0]
    assert sum(report.left_out().values()) <= 0.1 * len(report.looks)


def test_the_same_picture_again_is_found_wherever_it_was() -> None:
    crop = real_face()[0]
    other = crop[:, ::-1].copy()
    duplicates = Duplicates()
    assert duplicates.judge(crop) == Accepted()
    assert duplicates.judge(other) == Accepted()
    assert duplicates.judge(crop) == Rejected("the same picture again", 0, LIMITS.difference)
    assert duplicates.judge(other) == Rejected("the same picture again", 0, LIMITS.difference)


def test_the_noise_of_a_camera_makes_another_picture() -> None:
    crop = real_face()[0].astype(float)
    random = np.random.default_rng(5)
    duplicates = Duplicates()
    for _ in range(12):
        noisy = np.clip(crop + random.normal(0, 2, crop.shape), 0, 255).astype(np.uint8)
        assert duplicates.judge(noisy) == Accepted()
    few = crop.astype(np.uint8)
    few[80, 80] ^= 255
    assert duplicates.judge(few) == Accepted()
    few[81, 81] ^= 255
    assert isinstance(duplicates.judge(few), Rejected)


def test_what_was_refused_is_not_kept() -> None:
    """A slow change in steps below the limit is many pictures, not one."""
    crop = np.full((160, 160, 3), 100, np.uint8)
    duplicates = Duplicates(replace(LIMITS, difference=2.5))
    verdicts = [duplicates.judge(crop + step) for step in range(10)]
    kept = [step for step, verdict in enumerate(verdicts) if isinstance(verdict, Accepted)]
    assert kept == [0, 3, 6, 9]


def test_all_faults_are_named_the_gravest_first() -> None:
    assert faults_of(GOOD) == []
    bad = replace(GOOD, height=20, brightness=5, pose=Pose(80, 0, 60))
    assert [fault.reason for fault in faults_of(bad)] == [
        "too small", "too dark", "turned away", "leaning",
    ]  # fmt: skip
    assert judge(bad) == faults_of(bad)[0]
