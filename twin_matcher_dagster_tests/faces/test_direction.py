"""A clip that lies on its side without saying so is turned upright."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from twin_matcher_dagster.faces import direction
from twin_matcher_dagster.faces.clip import extract_faces
from twin_matcher_dagster.faces.direction import turned, upright, upright_turns
from twin_matcher_dagster.media.video import Frame
from twin_matcher_dagster_tests.clips import sample_frames, write_clip

CLIPS = ("amara_1.mp4", "teodor_1.mp4", "keiko_1.mp4", "rafael_1.mp4")


def half(name: str, count: int) -> list[np.ndarray]:
    frames = sample_frames(name, count)
    return [cv2.resize(frame, (320, 240), interpolation=cv2.INTER_AREA) for frame in frames]


def film(images: list[np.ndarray], every_s: float = 0.1) -> list[Frame]:
    return [Frame(every_s * n, image) for n, image in enumerate(images)]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("name", CLIPS)
def test_the_way_up_is_seen_by_a_face(name: str, turns: int) -> None:
    for image in half(name, 40)[::13]:
        assert upright_turns(turned(image, turns)) == -turns % 4


@pytest.mark.parametrize("turns", range(4))
def test_a_small_face_is_enough(turns: int) -> None:
    image = np.full((480, 640, 3), 120, np.uint8)
    image[150:270, 200:360] = cv2.resize(
        sample_frames("teodor_1.mp4", 1)[0], (160, 120), interpolation=cv2.INTER_AREA
    )
    assert upright_turns(turned(image, turns)) == -turns % 4


def test_where_nobody_is_there_is_no_way_up() -> None:
    assert upright_turns(np.full((120, 160, 3), 90, np.uint8)) is None


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True], ids=["as it is", "mirrored"])
def test_all_frames_are_turned_alike(turns: int, mirrored: bool) -> None:
    images = [image[:, ::-1] if mirrored else image for image in half("keiko_1.mp4", 12)]
    out = list(upright(film([turned(image, turns) for image in images])))
    assert [frame.time for frame in out] == pytest.approx(np.arange(12) / 10)
    assert all(np.array_equal(frame.image, image) for frame, image in zip(out, images, strict=True))


def test_an_upright_clip_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its frames do not wait."""
    looks = []
    monkeypatch.setattr(direction, "upright_turns", lambda image: looks.append(image) or 0)
    came = []

    def frames() -> Iterator[Frame]:
        for frame in film([np.zeros((4, 4, 3), np.uint8)] * 20):
            came.append(frame.time)
            yield frame

    for frame in upright(frames()):
        assert came[-1] == frame.time
    assert len(looks) == 1


def test_one_look_does_not_turn_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = iter([1, None, 0])
    monkeypatch.setattr(direction, "upright_turns", lambda image: next(votes))
    images = [np.full((4, 6, 3), n, np.uint8) for n in range(12)]
    assert [frame.image.shape for frame in upright(film(images))] == [(4, 6, 3)] * 12


def test_somebody_who_comes_late_is_turned_too() -> None:
    room = [np.full((320, 240, 3), 110, np.uint8)] * 15
    person = [turned(image, 1) for image in half("amara_1.mp4", 10)]
    out = list(upright(film([*room, *person])))
    assert len(out) == 25
    assert [frame.image.shape[:2] for frame in out[-6:]] == [(240, 320)] * 6


def test_looking_ends_where_nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(direction, "upright_turns", looks.append)
    empty = np.zeros((4, 6, 3), np.uint8)
    assert len(list(upright(film([empty] * 600)))) == 600
    assert len(looks) == 12


@pytest.mark.parametrize("turns", [1, 3, 2])
def test_a_clip_that_lies_is_taken(tmp_path, turns: int) -> None:
    """As iPhone's Safari records one: upright it was held, lying it is stored, and no tag."""
    images = [turned(image, turns) for image in half("amara_1.mp4", 22)]
    write_clip(tmp_path / "clip.webm", images, container="webm", codec="libvpx")
    report = extract_faces(tmp_path / "clip.webm")
    report.raise_if_refused()
    assert len(report.faces) >= 20
    assert max(abs(face.pose.roll) for face in report.faces) < 20
