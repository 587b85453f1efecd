"""How far a head turned, what is missing, and whether it is a flat picture of a head."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.faces.coverage import WANTED_YAW, coverage_of, looks_flat, looks_planar
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster_tests.clips import CLIPS, sample_report
from twin_matcher_dagster_tests.faces.test_pose import HEAD, leaning, turned


@pytest.mark.parametrize(
    ("yaws", "missing"),
    [
        ([-30, 0, 30], ()),
        ([-WANTED_YAW, WANTED_YAW], ()),
        ([0, 30], ("slowly to the left",)),
        ([-30, 0], ("slowly to the right",)),
        ([-12, 30], ("a little more to the left",)),
        ([-30, 17.9], ("a little more to the right",)),
        ([-12, 5], ("a little more to the left", "slowly to the right")),
        ([], ("slowly to the left", "slowly to the right")),
    ],
)
def test_it_says_which_side_is_missing(yaws: list[float], missing: tuple[str, ...]) -> None:
    found = coverage_of(yaws).missing
    assert found == tuple(f"Turn your head {text} of the picture." for text in missing)


def test_both_sides_are_counted_from_the_middle() -> None:
    coverage = coverage_of([4, -31, 22, 6])
    assert (coverage.left, coverage.right) == (31, 22)
    assert coverage_of([5, 8]).left == 0
    assert coverage_of([-5, -8]).right == 0


@pytest.mark.parametrize(
    ("yaws", "share"),
    [([], 0), ([3], 3 / 36), ([-18, 0], 0.5), ([-9, 9], 0.5), ([-80, 18], 1), ([-80, 80], 1)],
)
def test_the_share_counts_no_side_twice(yaws: list[float], share: float) -> None:
    assert coverage_of(yaws).share == pytest.approx(share)


@given(st.lists(st.floats(-90, 90), max_size=30))
def test_what_is_missing_is_what_keeps_the_share_from_one(yaws: list[float]) -> None:
    coverage = coverage_of(yaws)
    assert 0 <= coverage.share <= 1
    assert (coverage.share == 1) == (not coverage.missing)
    mirrored = coverage_of([-yaw for yaw in yaws])
    assert (mirrored.left, mirrored.right) == (coverage.right, coverage.left)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_a_sample_clip_is_a_living_head_from_both_sides(clip: Path) -> None:
    report = sample_report(clip)[0]
    landmarks = [face.landmarks for face in report.faces]
    assert not looks_flat(landmarks)
    assert not looks_planar(landmarks)
    assert report.hints == []
    assert report.coverage.missing == ()


def held_up(points: np.ndarray, noise: float) -> list[np.ndarray]:
    """Five points of a picture that somebody moves, turns and brings nearer, 40 times."""
    random = np.random.default_rng(7)
    return [
        leaning(points, random.uniform(-20, 20)) * random.uniform(50, 150)
        + random.uniform(0, 400, 2)
        + random.normal(0, noise * 100, points.shape)
        for _ in range(40)
    ]


def test_points_that_never_move_against_one_another_are_flat() -> None:
    still = turned(10, 5)[:, :2]
    assert looks_flat(held_up(still, 0))
    assert looks_flat(held_up(still, 0.003))
    assert not looks_flat(held_up(still, 0.1))


def turned_photo(degrees: float) -> list[np.ndarray]:
    """Five points of a photo that is turned to and fro before a camera, its distance fourfold."""
    shown = []
    for turn in np.radians(np.linspace(-degrees, degrees, 40)):
        plane = HEAD[:, :2] - HEAD[:, :2].mean(0)
        depth = 5 + plane[:, :1] * np.sin(turn)
        shown.append(90 * 5 * plane * [np.cos(turn), 1] / depth)
    return shown


@pytest.mark.parametrize("degrees", [0, 15, 30])
def test_a_photo_that_is_turned_is_planar(degrees: float) -> None:
    photo = turned_photo(degrees)
    assert looks_planar(photo)
    # Before: whoever turns the photo got past the hint.
    assert looks_flat(photo) is (degrees < 20)


def test_a_head_that_turns_is_not_flat() -> None:
    for flat in (looks_flat, looks_planar):
        assert not flat([turned(yaw, 0)[:, :2] * 90 for yaw in np.linspace(-25, 25, 40)])
        assert not flat([turned(0, pitch)[:, :2] * 90 for pitch in np.linspace(-20, 20, 40)])


def test_a_few_frames_say_nothing() -> None:
    for flat in (looks_flat, looks_planar):
        assert not flat([])
        assert not flat([HEAD[:, :2]] * 9)
        assert flat([HEAD[:, :2]] * 10)


@pytest.mark.parametrize("name", ["amara", "teodor"])
def test_a_photo_held_to_the_camera_is_flat(name: str) -> None:
    """Found again in each of its pictures by the detector, which is not exact."""
    photo = read_image(SAMPLE / "photos" / f"{name}.jpg")
    random = np.random.default_rng(3)
    landmarks = []
    for _ in range(24):
        middle = (photo.shape[1] / 2, photo.shape[0] / 2)
        scale = random.uniform(1.0, 1.4) * 480 / max(photo.shape[:2])
        matrix = cv2.getRotationMatrix2D(middle, random.uniform(-10, 10), scale)
        matrix[:, 2] += np.array([320, 240]) - middle + random.uniform(-30, 30, 2)
        frame = cv2.warpAffine(photo, matrix, (640, 480), flags=cv2.INTER_AREA)
        noisy = frame + random.normal(0, 4, frame.shape)
        (face,) = detect_faces(np.clip(noisy, 0, 255).astype(np.uint8), 480)
        landmarks.append(face.landmarks)
    assert looks_flat(landmarks)
