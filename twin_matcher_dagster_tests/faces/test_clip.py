"""One person's faces out of one clip or a set of photos, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from twin_matcher_dagster.errors import FaceError, MediaError
from twin_matcher_dagster.faces.advice import sentence
from twin_matcher_dagster.faces.clip import (
    MAX_FACES,
    MIN_FACES,
    ClipReport,
    extract_faces,
)
from twin_matcher_dagster.faces.photo_set import extract_from_photos
from twin_matcher_dagster.faces.quality import Accepted, Rejected
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import encode_jpeg, encode_png
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster_tests.clips import CLIPS, sample_frames, sample_report, write_clip
from twin_matcher_dagster_tests.faces.test_recogniser import drawn_face


def half_size(name: str, count: int) -> list[np.ndarray]:
    """Frames of a sample clip, quicker to encode and to search: uint8 RGB [240, 320, 3]."""
    frames = sample_frames(name, count)
    return [cv2.resize(frame, (320, 240), interpolation=cv2.INTER_AREA) for frame in frames]


def saved(tmp_path: Path, images: list[np.ndarray]) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, images)
    return path


def report_on(tmp_path: Path, images: list[np.ndarray]) -> ClipReport:
    return extract_faces(saved(tmp_path, images))


def refusal(report: ClipReport) -> Rejected:
    """Why a clip is refused."""
    assert report.refused is not None
    return report.refused


def accepted_times(report: ClipReport) -> list[float]:
    return [look.time for look in report.looks if look.verdict == Accepted()]


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_a_sample_clip_shows_a_face_from_both_sides(clip: Path) -> None:
    report, progress = sample_report(clip)
    report.raise_if_refused()
    faces = report.faces
    assert 40 <= len(faces) <= MAX_FACES
    assert {(face.image.shape, face.image.dtype.name) for face in faces} == {
        ((160, 160, 3), "uint8")
    }
    assert {(face.landmarks.shape, face.landmarks.dtype.name) for face in faces} == {
        ((5, 2), "float32")
    }
    times = [face.time for face in faces]
    assert times == sorted(set(times)) == accepted_times(report)
    yaws = [face.pose.yaw for face in faces]
    assert min(yaws) < -20
    assert max(yaws) > 20
    assert (report.coverage.left, report.coverage.right) == (-min(yaws), max(yaws))
    assert report.hints == []
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)


def test_a_report_accounts_for_every_look(tmp_path: Path) -> None:
    frames = half_size("amara_1.mp4", 30)
    spoilt = [frame // 8 if 10 <= n < 15 else frame for n, frame in enumerate(frames)]
    report = report_on(tmp_path, spoilt)
    assert report.refused is None
    assert report.left_out() == {"too dark": 5}
    assert len(report.looks) == 30
    assert len(report.faces) == 25
    assert [look.time for look in report.looks] == pytest.approx(np.arange(30) / 10, abs=0.01)
    dark = [look for look in report.looks if 0.95 < look.time < 1.45]
    for look in dark:
        assert isinstance(look.verdict, Rejected)
        assert look.verdict.value < look.verdict.threshold
    by_time = {look.time: look.yaw for look in report.looks}
    assert all(by_time[face.time] == face.pose.yaw for face in report.faces)


def test_a_long_clip_is_thinned_out_over_its_whole_length(tmp_path: Path) -> None:
    frames = half_size("amara_1.mp4", 45)
    report = report_on(tmp_path, [*frames, *(frame[:, ::-1] for frame in frames)])
    report.raise_if_refused()
    assert len(report.faces) == MAX_FACES
    assert report.faces[0].time < 0.1
    assert report.faces[-1].time > 8.5
    gaps = np.diff([face.time for face in report.faces])
    assert gaps.max() < 0.35


def test_a_clip_in_the_format_of_a_browser_is_the_same(tmp_path: Path) -> None:
    frames = half_size("teodor_1.mp4", 24)
    path = tmp_path / "recording.webm"
    write_clip(path, frames, container="webm", codec="libvpx")
    report = extract_faces(path)
    report.raise_if_refused()
    assert len(report.faces) >= 22
    clip = sample_report(SAMPLE / "clips" / "teodor_1.mp4")[0]
    templates = [
        template_of(load_recogniser()([face.image for face in one.faces[:20:4]]))
        for one in (report, clip)
    ]
    assert templates[0] @ templates[1] > 0.95


def test_two_people_side_by_side_are_refused(tmp_path: Path) -> None:
    both = zip(half_size("amara_1.mp4", 12), half_size("teodor_1.mp4", 12), strict=True)
    report = report_on(tmp_path, [np.hstack(pair) for pair in both])
    assert refusal(report) == Rejected("two people", 1.0, 0.3)
    with pytest.raises(FaceError, match=r"In 100% of the frames there is more than one person\."):
        report.raise_if_refused()


def test_a_crowd_is_refused(tmp_path: Path) -> None:
    names = ["amara_1.mp4", "teodor_1.mp4", "keiko_1.mp4", "rafael_1.mp4"]
    four = zip(*(sample_frames(name, 4) for name in names), strict=True)
    frames = [np.vstack([np.hstack([a, b]), np.hstack([c, d])])[::2, ::2] for a, b, c, d in four]
    report = report_on(tmp_path, frames)
    assert refusal(report).reason == "a crowd"
    with pytest.raises(FaceError, match=r"The clip shows a crowd: about 4 faces at a time\."):
        report.raise_if_refused()


def test_frames_with_a_second_person_are_left_out(tmp_path: Path) -> None:
    """Somebody looks into the room for a moment: never mixed into one identity."""
    amara, teodor = half_size("amara_1.mp4", 28), half_size("teodor_1.mp4", 5)
    empty = np.full_like(amara[0], 90)
    visits = [*([empty] * 10), *teodor, *([empty] * 13)]
    report = report_on(tmp_path, [np.hstack(pair) for pair in zip(amara, visits, strict=True)])
    report.raise_if_refused()
    assert MIN_FACES <= len(report.faces) <= 24
    assert not any(1.05 < face.time < 1.35 for face in report.faces)
    assert report.left_out()["somebody else beside"] >= 3
    assert all(face.landmarks[:, 0].max() < amara[0].shape[1] for face in report.faces)


def test_somebody_far_behind_does_not_matter(tmp_path: Path) -> None:
    amara, teodor = sample_frames("amara_1.mp4", 24), sample_frames("teodor_1.mp4", 24)
    frames = []
    for near, far in zip(amara, teodor, strict=True):
        frame = near.copy()
        frame[:158, :210] = cv2.resize(far, (210, 158), interpolation=cv2.INTER_AREA)
        frames.append(frame)
    report = report_on(tmp_path, frames)
    report.raise_if_refused()
    assert len(report.faces) >= 22
    heights = [np.ptp(face.landmarks[:, 1]) for face in report.faces]
    assert min(heights) > 50


def test_somebody_far_behind_never_takes_the_place(tmp_path: Path) -> None:
    """In every frame, and seen more often than the person in front, who looks away now and then."""
    amara, teodor = sample_frames("amara_1.mp4", 30), sample_frames("teodor_1.mp4", 30)
    frames = []
    for number, (near, far) in enumerate(zip(amara, teodor, strict=True)):
        frame = near.copy() if number not in (5, 12, 20, 21) else np.full_like(near, 90)
        frame[:192, :256] = cv2.resize(far, (256, 192), interpolation=cv2.INTER_AREA)
        frames.append(frame)
    report = report_on(tmp_path, frames)
    heights = [np.ptp(face.landmarks[:, 1]) for face in report.faces]
    assert report.refused is None
    assert len(heights) >= MIN_FACES
    assert min(heights) > 50


def test_a_passer_by_is_left_out_each_time(tmp_path: Path) -> None:
    """Two frames at two times are no three seconds of another person."""
    amara, teodor = half_size("amara_1.mp4", 40), half_size("teodor_1.mp4", 40)
    frames = [teodor[n] if n in (8, 30) else amara[n] for n in range(40)]
    report = report_on(tmp_path, frames)
    report.raise_if_refused()
    assert not any(abs(face.time - n / 10) < 0.05 for face in report.faces for n in (8, 30))


def test_somebody_who_comes_again_and_again_is_refused(tmp_path: Path) -> None:
    amara, teodor = half_size("amara_1.mp4", 40), half_size("teodor_1.mp4", 40)
    frames = [teodor[n] if n % 10 in (3, 4, 7, 8) else amara[n] for n in range(40)]
    report = report_on(tmp_path, frames)
    assert refusal(report).reason == "another person"


@pytest.mark.parametrize(("first", "second"), [("amara", "teodor"), ("teodor", "amara")])
def test_a_cut_to_another_person_is_refused(tmp_path: Path, first: str, second: str) -> None:
    """At the same place, so that only the recogniser sees it."""
    frames = [*half_size(f"{first}_1.mp4", 20), *half_size(f"{second}_1.mp4", 12)]
    report = report_on(tmp_path, frames)
    assert refusal(report).reason == "another person"
    assert refusal(report).value == pytest.approx(1.1, abs=0.11)
    with pytest.raises(FaceError, match=r"changes to another person, for 1\.\d seconds"):
        report.raise_if_refused()


@pytest.mark.parametrize("count", [2, 4])
def test_a_cut_for_a_moment_is_not_mixed_in(tmp_path: Path, count: int) -> None:
    """Whether it is refused or left out: too short to be met by a look every half second."""
    amara, teodor = half_size("amara_1.mp4", 40), half_size("teodor_1.mp4", 20)
    report = report_on(tmp_path, [*amara[:11], *teodor[11 : 11 + count], *amara[11 + count :]])
    if report.refused is None:
        assert not any(1.05 < face.time < 1.05 + count / 10 for face in report.faces)


def test_a_face_that_is_too_small_is_refused_with_the_reason(tmp_path: Path) -> None:
    far = []
    for image in sample_frames("amara_1.mp4", 10):
        room = Image.new("RGB", (640, 480), "grey")
        room.paste(Image.fromarray(image).resize((120, 90)), (240, 180))
        far.append(np.asarray(room))
    report = report_on(tmp_path, far)
    assert refusal(report) == Rejected("too few faces", 0, MIN_FACES)
    with pytest.raises(FaceError, match=r"faces in the clip are too small\. Sit closer"):
        report.raise_if_refused()


@pytest.mark.parametrize(
    ("spoilt", "reasons", "advice"),
    [
        (lambda image: image // 6, {"too dark"}, "too dark. Face a window"),
        (lambda image: 255 - (255 - image) // 8, {"too bright"}, "too bright. Turn away"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 14), {"blurred", "no contrast"}, None),
    ],
    ids=["dark", "bright", "blurred"],
)
def test_a_spoilt_clip_is_refused_with_the_reason(
    tmp_path: Path,
    spoilt: Callable[[np.ndarray], np.ndarray],
    reasons: set[str],
    advice: str | None,
) -> None:
    report = report_on(tmp_path, [spoilt(image) for image in half_size("keiko_1.mp4", 22)])
    if refusal(report).reason != "no face":  # the detector may not see it either
        assert set(report.left_out()) <= reasons
        with pytest.raises(FaceError, match=advice):
            report.raise_if_refused()


def test_a_clip_that_is_too_short_says_how_many_are_needed(tmp_path: Path) -> None:
    report = report_on(tmp_path, half_size("amara_1.mp4", 10))
    assert refusal(report) == Rejected("too few faces", 10, MIN_FACES)
    with pytest.raises(FaceError, match=r"Only 10 good faces .* 20 are needed\. Record 4 to 5"):
        report.raise_if_refused()


def test_a_still_picture_is_refused(tmp_path: Path) -> None:
    """A frozen camera."""
    report = report_on(tmp_path, half_size("amara_1.mp4", 1) * 25)
    assert set(report.left_out()) == {"the same picture again"}
    with pytest.raises(FaceError, match="the same picture over and over"):
        report.raise_if_refused()


def test_a_photo_that_is_moved_before_the_camera_is_a_hint(tmp_path: Path) -> None:
    """And no refusal: nothing that is measured here proves it."""
    image = sample_frames("amara_1.mp4", 4)[-1]
    random = np.random.default_rng(1)
    frames = []
    for n in range(24):
        turn = 6 * np.sin(n / 3)
        matrix = cv2.getRotationMatrix2D((320, 240), turn, 1 + 0.08 * np.cos(n / 4))
        matrix[:, 2] += (40 * np.sin(n / 5), 15 * np.cos(n / 2))
        moved = cv2.warpAffine(image, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE)
        frames.append(np.clip(moved + random.normal(0, 3, image.shape), 0, 255).astype(np.uint8))
    report = report_on(tmp_path, frames)
    report.raise_if_refused()
    assert report.hints == [
        "The face moves like a flat picture: it may be a photo held to the camera."
    ]


def test_an_empty_room_is_refused(tmp_path: Path) -> None:
    report = report_on(tmp_path, [np.full((480, 640, 3), 90, np.uint8)] * 25)
    assert refusal(report) == Rejected("no face", 0, MIN_FACES)
    assert (report.faces, report.looks, report.hints) == ([], [], [])
    assert report.coverage.share == 0
    with pytest.raises(FaceError, match="No face was found in the clip"):
        report.raise_if_refused()


def test_what_is_no_clip_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("words")
    with pytest.raises(MediaError, match="cannot be read as a video"):
        extract_faces(tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    "reason",
    ["unsure", "too small", "cut off", "too dark", "no contrast", "blurred", "too bright",
     "turned away", "tilted", "leaning", "the same picture again", "somebody else beside"],
)  # fmt: skip
def test_every_reason_has_advice_of_its_own(reason: str) -> None:
    advice = sentence(Rejected("too few faces", 3, MIN_FACES), {reason: 30, "another": 2})
    assert advice.startswith("Only 3 good faces were found, 20 are needed. ")
    assert advice.endswith(".")
    assert advice != sentence(Rejected("too few faces", 3, MIN_FACES), {})


def test_advice_follows_what_is_wrong_most_often() -> None:
    refused = Rejected("too few faces", 10, MIN_FACES)
    assert "too dark" in sentence(refused, {"too dark": 12, "blurred": 11})
    assert "blurred" in sentence(refused, {"too dark": 11, "blurred": 12})
    # A few bad frames are not why a short clip is short.
    assert "Record 4 to 5 seconds" in sentence(refused, {"too dark": 3})
    assert sentence(refused, {"too dark": 12}, photos=True) == (
        "Only 10 of the photos can be used, 20 are needed. The photos are too dark. Choose photos "
        "in good light."
    )


def photos(folder: Path, images: list[np.ndarray]) -> list[Path]:
    """These images as files of several formats."""
    paths = []
    for index, image in enumerate(images):
        path = folder / f"photo {index}.{('jpg', 'png', 'webp')[index % 3]}"
        Image.fromarray(image).save(path, quality=92)
        paths.append(path)
    return paths


def test_photos_are_taken_as_frames(tmp_path: Path) -> None:
    """Of any size, and in any order of the poses."""
    frames = half_size("amara_1.mp4", 44)[::2] + half_size("amara_2.mp4", 4)
    sizes = [cv2.resize(frame, None, fx=1.5, fy=1.5) for frame in frames[:3]]
    shares: list[float] = []
    report = extract_from_photos(photos(tmp_path, [*sizes, *frames[3:]][::-1]), shares.append)
    report.raise_if_refused()
    assert len(report.faces) == len(frames) == 26
    assert [face.time for face in report.faces] == list(range(26))
    assert {face.image.shape for face in report.faces} == {(160, 160, 3)}
    assert report.coverage.missing == ()
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def drawn_people(count: int) -> list[np.ndarray]:
    """Photos of one drawn face: the people of the sample are too much alike for single photos."""
    images = []
    for n in range(count):
        images.append(np.full((240, 320, 3), 130, np.uint8))
        images[-1][40:200, 80:240] = np.clip(drawn_face().astype(int) + 10 * n, 0, 255)
    return images


def test_a_photo_of_somebody_else_is_left_out(tmp_path: Path) -> None:
    amara = half_size("amara_1.mp4", 22)
    report = extract_from_photos(photos(tmp_path, [*amara[:9], *drawn_people(2), *amara[9:]]))
    report.raise_if_refused()
    assert [face.time for face in report.faces] == [*range(9), *range(11, 24)]


def test_photos_of_two_people_are_refused(tmp_path: Path) -> None:
    people = [*half_size("amara_1.mp4", 6), *drawn_people(3)]
    report = extract_from_photos(photos(tmp_path, people))
    assert refusal(report) == Rejected("photos of another person", 3, 2)
    with pytest.raises(
        FaceError, match=r"There is somebody else in 3 of the photos\. Choose photos of one"
    ):
        report.raise_if_refused()


def test_one_photo_many_times_is_one_face(tmp_path: Path) -> None:
    report = extract_from_photos([SAMPLE / "photos" / "amara.jpg"] * 21)
    assert len(report.faces) == 1
    assert report.left_out() == {"the same picture again": 20}
    assert report.hints == []
    assert refusal(report) == Rejected("too few faces", 1, MIN_FACES)


def test_photos_without_a_face_and_no_photos_are_refused() -> None:
    for paths in ([], [SAMPLE / "photos" / "no_face.jpg"]):
        assert refusal(extract_from_photos(paths)).reason == "no face"


def test_a_bad_photo_among_good_ones_is_named_and_the_rest_is_taken(tmp_path: Path) -> None:
    amara = half_size("amara_1.mp4", 22)
    paths = photos(tmp_path, [*amara, *drawn_people(1)])
    (tmp_path / "half.jpg").write_bytes(paths[0].read_bytes()[:2_000])
    (tmp_path / "lying.png").write_bytes(encode_png(np.rot90(half_size("amara_2.mp4", 2)[1])))
    (tmp_path / "copy.jpg").write_bytes(paths[3].read_bytes())
    others = [
        *(tmp_path / name for name in ("half.jpg", "lying.png", "copy.jpg")),
        SAMPLE / "photos" / "no_face.jpg",
    ]
    report = extract_from_photos([*paths[:5], *others, *paths[5:]])
    report.raise_if_refused()
    assert len(report.faces) == 23
    assert {one.name: one.why.split(".")[0] for one in report.skipped} == {
        "half.jpg": "The photo is damaged: the JPEG file cannot be read to its end",
        "no_face.jpg": "No face was found",
        "photo 22.png": "It shows somebody else",
        "copy.jpg": "It is the same picture again",
    }


def test_photos_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_text("words")
    with pytest.raises(MediaError, match="it is text"):
        extract_from_photos([tmp_path / "words.jpg", tmp_path / "gone.jpg"])


def test_few_photos_with_somebody_else_are_not_told_of_a_clip(tmp_path: Path) -> None:
    report = extract_from_photos(photos(tmp_path, [*half_size("amara_1.mp4", 3), *drawn_people(2)]))
    assert refusal(report) == Rejected("photos of another person", 2, 2)
    assert "clip" not in report.advice()


def test_a_photo_of_two_people_is_left_out(tmp_path: Path) -> None:
    paths = photos(tmp_path, half_size("amara_1.mp4", 20))
    report = extract_from_photos([*paths, SAMPLE / "photos" / "two_people.jpg"])
    report.raise_if_refused()
    assert 20 not in [face.time for face in report.faces]


def test_crops_are_stored_small() -> None:
    """An upload of 85 faces stays near one megabyte."""
    faces = sample_report(CLIPS[0])[0].faces
    assert np.mean([len(encode_jpeg(face.image)) for face in faces]) < 20_000


@pytest.mark.parametrize(
    "number",
    [4, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2, 3))],
)
def test_a_real_clip_of_one_person_is_accepted(shared_data: Path, number: int) -> None:
    report = extract_faces(shared_data / "videos" / f"one_person_{number}.mp4")
    report.raise_if_refused()
    assert MIN_FACES <= len(report.faces) <= MAX_FACES


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("two_people", "two people", "there is more than one person"),
        pytest.param("crowd", "a crowd", "The clip shows a crowd", marks=pytest.mark.slow),
    ],
)
def test_a_real_clip_of_several_people_is_refused(
    shared_data: Path, name: str, reason: str, text: str
) -> None:
    report = extract_faces(shared_data / "videos" / f"{name}_1080p.mp4")
    assert refusal(report).reason == reason
    with pytest.raises(FaceError, match=text):
        report.raise_if_refused()
