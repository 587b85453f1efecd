"""One person's faces out of one clip, and the clips that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.clip import MAX_FACES, MIN_FACES, extract_faces
from twin_matcher_dagster_tests.media import CLIPS, sample_frames, write_clip


def saved(tmp_path: Path, images: list[np.ndarray]) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, images)
    return path


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_a_sample_clip_shows_a_face_from_both_sides(clip: Path) -> None:
    progress: list[float] = []
    faces = extract_faces(clip, progress.append)
    assert 40 <= len(faces) <= MAX_FACES
    assert {(face.image.shape, face.image.dtype.name) for face in faces} == {
        ((160, 160, 3), "uint8")
    }
    times = [face.time for face in faces]
    assert times == sorted(set(times))
    yaws = [face.yaw for face in faces]
    assert min(yaws) < -20
    assert max(yaws) > 20
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)


def test_a_long_clip_is_thinned_out_over_its_whole_length(tmp_path: Path) -> None:
    frames = sample_frames("amara_1.mp4", 45)
    faces = extract_faces(saved(tmp_path, [*frames, *frames[::-1]]))
    assert len(faces) == MAX_FACES
    assert faces[-1].time > 8.5


def test_two_people_side_by_side_are_refused(tmp_path: Path) -> None:
    both = zip(sample_frames("amara_1.mp4", 12), sample_frames("teodor_1.mp4", 12), strict=True)
    clip = saved(tmp_path, [np.hstack(pair) for pair in both])
    with pytest.raises(FaceError, match=r"\d+ of 12 frames show more than one person"):
        extract_faces(clip)


def test_frames_with_a_second_person_are_left_out(tmp_path: Path) -> None:
    """Somebody looks into the room for a moment: never mixed into one identity."""
    amara, teodor = sample_frames("amara_1.mp4", 28), sample_frames("teodor_1.mp4", 5)
    empty = np.full_like(amara[0], 90)
    visits = [*([empty] * 10), *teodor, *([empty] * 13)]
    clip = saved(tmp_path, [np.hstack(pair) for pair in zip(amara, visits, strict=True)])
    faces = extract_faces(clip)
    assert MIN_FACES <= len(faces) <= 24
    assert not any(1.05 < face.time < 1.35 for face in faces)


def test_a_face_that_is_too_small_is_refused_with_the_reason(tmp_path: Path) -> None:
    far = []
    for image in sample_frames("amara_1.mp4", 10):
        room = Image.new("RGB", (640, 480), "grey")
        room.paste(Image.fromarray(image).resize((160, 120)), (240, 180))
        far.append(np.asarray(room))
    with pytest.raises(FaceError, match=r"faces in the clip are too small\. Sit closer"):
        extract_faces(saved(tmp_path, far))


def test_a_clip_that_is_too_short_says_how_many_are_needed(tmp_path: Path) -> None:
    clip = saved(tmp_path, sample_frames("amara_1.mp4", 10))
    with pytest.raises(FaceError, match=r"Only 10 good faces .* 20 are needed\. Record 4 to 5"):
        extract_faces(clip)


def test_an_empty_room_is_refused(tmp_path: Path) -> None:
    clip = saved(tmp_path, [np.full((480, 640, 3), 90, np.uint8)] * 25)
    with pytest.raises(FaceError, match="No face was found in the clip"):
        extract_faces(clip)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_real_clip_of_one_person_is_accepted(shared_data: Path, number: int) -> None:
    faces = extract_faces(shared_data / "videos" / f"one_person_{number}.mp4")
    assert MIN_FACES <= len(faces) <= MAX_FACES


@pytest.mark.parametrize(
    ("name", "reason"), [("two_people", "more than one person"), ("crowd", "too small")]
)
def test_a_real_clip_of_several_people_is_refused(
    shared_data: Path, name: str, reason: str
) -> None:
    with pytest.raises(FaceError, match=reason):
        extract_faces(shared_data / "videos" / f"{name}_1080p.mp4")
