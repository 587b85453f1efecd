"""Head pose: heads that are turned by known angles give the angles back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.faces.pose import pose_of
from twin_matcher_dagster_tests.clips import CLIPS, sample_report

# An average head, in distances between the eyes: x to the right of the image, y down, z towards the
# camera. Eyes, nose tip, corners of the mouth.
HEAD = np.array(
    [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.66, 0.65], [-0.41, 1.15, 0.0], [0.41, 1.15, 0.0]]
)
# The landmarks of a picture that is mirrored: left and right change their names.
MIRRORED = [1, 0, 2, 4, 3]


def turned(yaw: float, pitch: float, head: np.ndarray = HEAD) -> np.ndarray:
    """The head in space, looking right by ``yaw`` and up by ``pitch`` degrees: float [5, 3]."""
    y, p = np.radians([yaw, pitch])
    up = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    right = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return head @ (right @ up).T


def leaning(points: np.ndarray, roll: float) -> np.ndarray:
    """Points of an image turned clockwise, as seen, by ``roll`` degrees: y points down."""
    r = np.radians(roll)
    return points @ np.array([[np.cos(r), -np.sin(r)], [np.sin(r), np.cos(r)]]).T


angles = st.floats(-60, 60)


@given(
    yaw=angles,
    pitch=st.floats(-50, 50),
    scale=st.floats(2, 900),
    shift=st.tuples(st.floats(-4000, 4000), st.floats(-4000, 4000)),
)
def test_a_turned_head_gives_its_angles_back(
    yaw: float, pitch: float, scale: float, shift: tuple[float, float]
) -> None:
    pose = pose_of(turned(yaw, pitch)[:, :2] * scale + shift)
    assert pose.yaw == pytest.approx(yaw, abs=0.01)
    assert pose.pitch == pytest.approx(pitch, abs=0.01)


@given(roll=st.floats(-170, 170))
def test_a_head_that_only_leans_looks_into_the_camera(roll: float) -> None:
    pose = pose_of(leaning(HEAD[:, :2], roll) * 80 + 300)
    assert (pose.yaw, pose.pitch) == pytest.approx((0, 0), abs=0.01)
    assert pose.roll == pytest.approx(roll, abs=0.01)


@pytest.mark.parametrize("distance", [6, 10, 25])
@pytest.mark.parametrize("yaw", [-40, 0, 40])
@pytest.mark.parametrize("pitch", [-25, 0, 25])
def test_a_camera_that_is_near_changes_little(distance: float, yaw: float, pitch: float) -> None:
    """At arm's length a face is about six to ten times as far as its eyes are apart."""
    head = turned(yaw, pitch)
    pose = pose_of(head[:, :2] / (distance - head[:, 2:]) * 800)
    assert pose.yaw == pytest.approx(yaw, abs=10)
    assert pose.pitch == pytest.approx(pitch, abs=10)


@pytest.mark.parametrize("longer", [0.85, 1.15])
@pytest.mark.parametrize("yaw", [-45, -20, 20, 45])
def test_another_nose_is_an_error_of_some_degrees(longer: float, yaw: float) -> None:
    head = HEAD.copy()
    head[2, 2] *= longer
    pose = pose_of(turned(yaw, 0, head)[:, :2])
    assert pose.yaw == pytest.approx(yaw, abs=8)


def test_the_signs_are_those_of_the_image() -> None:
    straight = HEAD[:, :2] * 100
    nose_to_the_right, nose_up = straight.copy(), straight.copy()
    nose_to_the_right[2] += [30, 0]
    nose_up[2] -= [0, 30]
    assert pose_of(nose_to_the_right).yaw > 15
    assert pose_of(nose_up).pitch > 15
    right_eye_lower = leaning(straight, 20)
    assert right_eye_lower[1, 1] > right_eye_lower[0, 1]
    assert pose_of(right_eye_lower).roll == pytest.approx(20)


@given(
    yaw=angles, pitch=st.floats(-40, 40), roll=st.floats(-40, 40), noise=st.integers(0, 2**32 - 1)
)
def test_a_mirror_turns_yaw_and_roll_around(
    yaw: float, pitch: float, roll: float, noise: int
) -> None:
    """For any five points near a face, also where no head could have them."""
    points = leaning(turned(yaw, pitch)[:, :2], roll)
    points = points + np.random.default_rng(noise).normal(0, 0.05, points.shape)
    pose, mirrored = pose_of(points), pose_of(points[MIRRORED] * [-1, 1])
    assert mirrored.yaw == pytest.approx(-pose.yaw, abs=1e-6)
    assert mirrored.pitch == pytest.approx(pose.pitch, abs=1e-6)
    assert mirrored.roll == pytest.approx(-pose.roll, abs=1e-6)


@pytest.mark.parametrize("clip", CLIPS[:1] + CLIPS[-1:], ids=lambda clip: clip.stem)
def test_the_nose_of_a_sample_clip_goes_where_the_head_looks(clip: Path) -> None:
    faces = sample_report(clip)[0].faces
    by_yaw = sorted(faces, key=lambda face: face.pose.yaw)
    noses = [
        (face.landmarks[2, 0] - face.landmarks[:2, 0].mean())
        / np.hypot(*(face.landmarks[1] - face.landmarks[0]))
        for face in by_yaw
    ]
    assert noses[0] < -0.1 < 0.1 < noses[-1]
    assert np.corrcoef(noses, [face.pose.yaw for face in by_yaw])[0, 1] > 0.95
    assert max(abs(face.pose.roll) for face in faces) < 35


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.ones((5, 2), np.float32), HEAD[:, [0, 0]]])
def test_a_degenerate_face_has_angles_all_the_same(points: np.ndarray) -> None:
    pose = pose_of(points)
    assert np.isfinite([pose.yaw, pose.pitch, pose.roll]).all()
