"""Mirrors, calls and posters beside a person, and clips with too few pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from twin_matcher_dagster import clip_refusals
from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.clip import MIN_FACES, ClipReport, report_on
from twin_matcher_dagster.faces.frame_collector import FaceCollector
from twin_matcher_dagster_tests.clips import sample_frames

REFLECTION = clip_refusals.REFLECTION_LEFT_OUT()
PICTURE = clip_refusals.PICTURE_LEFT_OUT()
SMALLER = clip_refusals.SMALLER_LEFT_OUT()


def beside(
    main: list[np.ndarray], others: list[np.ndarray], width: int = 320, noise: float = 3
) -> list[np.ndarray]:
    """Another film at the right edge of a person's, so many of its 640 pixels wide."""
    random = np.random.default_rng(0)
    frames = []
    for near, far in zip(main, others, strict=True):
        shifted = np.roll(near, -160, axis=1)
        height = width * 3 // 4
        shifted[:height, 640 - width :] = cv2.resize(
            far, (width, height), interpolation=cv2.INTER_AREA
        )
        noisy = shifted + random.normal(0, noise, shifted.shape)
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames


def report(frames: list[np.ndarray], every_s: float = 0.1) -> ClipReport:
    collector = FaceCollector()
    for index, frame in enumerate(frames):
        collector.add(frame, every_s * index)
    return report_on(collector)


@pytest.fixture(scope="module")
def amara() -> list[np.ndarray]:
    return sample_frames("amara_1.mp4", 24)


@pytest.fixture(scope="module")
def teodor() -> list[np.ndarray]:
    return sample_frames("teodor_1.mp4", 24)


def is_main(found: ClipReport) -> bool:
    """Whether all faces are the person's on the left."""
    return all(face.landmarks[:, 0].max() < 320 for face in found.faces)


@pytest.mark.parametrize("mirrored", [False, True], ids=["a call", "a mirror"])
def test_a_reflection_is_left_out_and_named(amara: list[np.ndarray], mirrored: bool) -> None:
    own = [image[:, ::-1] if mirrored else image for image in amara]
    found = report(beside(amara, own))
    found.raise_if_refused()
    assert found.notes == (REFLECTION,)
    assert len(found.faces) >= MIN_FACES
    assert is_main(found)


def test_two_mirrors_are_no_crowd(amara: list[np.ndarray]) -> None:
    frames = beside(amara, amara)
    for frame, image in zip(frames, amara, strict=True):
        frame[270:480, 360:640] = cv2.resize(image, (280, 210), interpolation=cv2.INTER_AREA)
    found = report(frames)
    found.raise_if_refused()
    assert is_main(found)


@pytest.mark.parametrize("width", [240, 320, 360])
def test_a_poster_is_left_out_and_named(
    amara: list[np.ndarray], teodor: list[np.ndarray], width: int
) -> None:
    found = report(beside(amara, teodor[:1] * 24, width))
    found.raise_if_refused()
    assert found.notes == (PICTURE,)
    assert is_main(found)


def test_a_poster_behind_a_camera_in_the_hand_is_left_out(
    amara: list[np.ndarray], teodor: list[np.ndarray]
) -> None:
    frames = []
    for n, frame in enumerate(beside(amara, teodor[:1] * 24)):
        matrix = cv2.getRotationMatrix2D((320, 240), 2 * np.sin(n / 3), 1 + 0.03 * np.sin(n / 5))
        matrix[:, 2] += (6 * np.sin(n / 2), 4 * np.cos(n / 3))
        frames.append(cv2.warpAffine(frame, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE))
    found = report(frames)
    found.raise_if_refused()
    assert found.notes == (PICTURE,)


def test_a_picture_of_oneself_is_left_out(amara: list[np.ndarray]) -> None:
    found = report(beside(amara, amara[:1] * 24))
    found.raise_if_refused()
    assert is_main(found)


def test_somebody_who_moves_is_another_person(
    amara: list[np.ndarray], teodor: list[np.ndarray]
) -> None:
    """Whoever it is is not guessed; the way out names mirrors and posters."""
    found = report(beside(amara, teodor, 380))
    assert found.refused is not None
    assert found.refused.reason == "two people"
    with pytest.raises(FaceError, match=r"without a mirror or a poster behind\."):
        found.raise_if_refused()


def test_somebody_small_is_named(amara: list[np.ndarray], teodor: list[np.ndarray]) -> None:
    """As oneself in the corner of a call, whose other side fills the picture."""
    found = report(beside(amara, teodor, 200))
    found.raise_if_refused()
    assert found.notes == (SMALLER,)
    assert is_main(found)


def test_one_person_alone_has_no_notes(amara: list[np.ndarray]) -> None:
    assert report(amara).notes == ()


# --- Too few


@pytest.mark.parametrize(
    ("count", "every_s", "words"),
    [
        (5, 1.0, "The clip stutters: it has 1 of the 5 pictures a second that are needed."),
        (10, 0.5, "The clip stutters: it has 2 of the 5 pictures a second that are needed."),
        (15, 0.3, "The clip stutters: it has 3.3 of the 5 pictures a second that are needed."),
        (1, 0.1, "The clip is a single picture."),
        (8, 0.1, "Only 8 good faces were found, 20 are needed. Record 4 to 5 seconds"),
    ],
)
def test_too_few_pictures_are_named(
    amara: list[np.ndarray], count: int, every_s: float, words: str
) -> None:
    found = report(amara[:count], every_s)
    assert found.advice().startswith(words)


def test_one_picture_a_second_for_long_enough_is_a_clip(amara: list[np.ndarray]) -> None:
    report(amara, 1.0).raise_if_refused()


def test_a_rate_that_varies_is_counted_by_its_times(amara: list[np.ndarray]) -> None:
    """Fast at first, and then hardly at all."""
    collector = FaceCollector()
    for image, time in zip(amara, (0, 0.1, 0.2, 0.3, 0.4, 1.5, 3, 4.5), strict=False):
        collector.add(image, time)
    found = report_on(collector)
    assert found.refused is not None
    assert (found.refused.reason, round(found.refused.value, 2)) == ("few pictures", 1.56)


def test_a_person_who_is_hardly_there_is_told_so(amara: list[np.ndarray]) -> None:
    empty = np.full_like(amara[0], 90)
    found = report([*amara[:12], *[empty] * 28])
    assert found.advice().startswith("In only 30% of the pictures a face is found.")


def test_an_empty_room_is_no_face(tmp_path: Path) -> None:
    assert "No face was found" in report([np.full((240, 320, 3), 90, np.uint8)] * 30).advice()
