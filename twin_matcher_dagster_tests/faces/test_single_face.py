"""One face out of one photo."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from twin_matcher_dagster.errors import FaceError, NoFaceError
from twin_matcher_dagster.faces import upright
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.single_face import SeveralFacesError, both_views, rivals
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE

PHOTOS = SAMPLE / "photos"


def first_crop(photo: np.ndarray) -> np.ndarray:
    return both_views(photo).crops[0]


def of_height(height: float) -> Detection:
    return Detection(0, 0, 1, height, np.zeros((5, 2), np.float32), 0.99)


@pytest.mark.parametrize("name", ["amara", "mira", "rory", "teodor"])
def test_a_photo_of_one_person(name: str) -> None:
    crop = first_crop(read_image(PHOTOS / f"{name}.jpg"))
    assert (crop.shape, crop.dtype) == ((160, 160, 3), np.uint8)
    (face,) = detect_faces(crop)
    between_the_eyes = face.landmarks[:2].mean(0)
    assert np.abs(between_the_eyes - [80, 74]).max() < 6
    assert face.height > 80


def test_no_face_says_what_photo_to_use() -> None:
    with pytest.raises(NoFaceError, match=r"No face was found\. Use a photo"):
        first_crop(read_image(PHOTOS / "no_face.jpg"))


def test_two_people_say_what_photo_to_use() -> None:
    with pytest.raises(FaceError, match=r"Several faces were found \(2\)\. Choose one of them, or"):
        first_crop(read_image(PHOTOS / "two_people.jpg"))


def test_somebody_far_behind_does_not_matter() -> None:
    photo = Image.open(PHOTOS / "mira.jpg").convert("RGB")
    alone = first_crop(np.asarray(photo))
    passer_by = Image.open(PHOTOS / "rory.jpg").convert("RGB").resize((160, 160))
    photo.paste(passer_by, (0, 0))
    assert len(detect_faces(np.asarray(photo))) == 2
    difference = first_crop(np.asarray(photo)).astype(int) - alone
    assert np.abs(difference).mean() < 12


def test_a_photo_that_lies_on_its_side_is_turned_by_its_exif() -> None:
    """As phones store a portrait."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.open(PHOTOS / "mira.jpg").convert("RGB").transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    lying.save(buffer, "JPEG", exif=exif, quality=95)
    crop = first_crop(read_image(buffer.getvalue()))
    upright = first_crop(read_image(PHOTOS / "mira.jpg"))
    assert np.abs(crop.astype(int) - upright).mean() < 6


def test_rivals_are_at_least_half_as_high() -> None:
    heights = [100, 99, 50, 49.9, 10]
    faces = [of_height(height) for height in heights]
    assert [face.height for face in rivals(faces)] == [99, 50]
    assert rivals(faces[:1]) == rivals([]) == []


def face_at(x: float, height: float = 100) -> Detection:
    """In an image of 400 x 300 pixels."""
    spots = np.array([[35, 40], [65, 40], [50, 60], [38, 80], [62, 80]], np.float32)
    return Detection(x, 100, height, height, spots * height / 100 + [x, 100], 0.999)


@pytest.fixture
def detected(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what the detector finds: in the photo first, then in the mirrored one; then nothing."""

    def say(*found: list[Detection]) -> None:
        answers = iter(found)
        monkeypatch.setattr(upright, "detect_faces", lambda image, side: next(answers, []))

    return say


PHOTO = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)


def test_a_face_that_only_the_mirror_shows_is_enough(detected: Callable[..., None]) -> None:
    detected([], [face_at(100)])
    assert len(both_views(PHOTO).crops) == 1
    detected([face_at(100)], [])
    assert len(both_views(PHOTO).crops) == 1


@pytest.mark.parametrize("turn", [1, -1])
def test_a_rival_that_only_one_of_both_shows_counts(
    detected: Callable[..., None], turn: int
) -> None:
    """Or a photo would be answered, and its mirror image refused."""
    alone, two = [face_at(100)], [face_at(200), face_at(20, 60)]
    detected(*[alone, two][::turn])
    with pytest.raises(FaceError, match=r"Several faces were found \(2\)"):
        both_views(PHOTO)


def test_both_views_are_of_one_face(detected: Callable[..., None]) -> None:
    """The largest face of the photo, and in the mirror another one."""
    detected([face_at(100)], [face_at(200)])
    assert len(both_views(PHOTO).crops) == 2
    detected([face_at(100)], [face_at(100)])
    with pytest.raises(FaceError, match=r"Several faces were found \(2\)"):
        both_views(PHOTO)


def two_beside_one_another(small: int) -> np.ndarray:
    """A person, and another one whose photo has this side in pixels, in a corner."""
    photo = Image.open(PHOTOS / "mira.jpg").convert("RGB")
    photo.paste(Image.open(PHOTOS / "rory.jpg").convert("RGB").resize((small, small)), (0, 0))
    return np.asarray(photo)


def test_the_faces_of_two_people_are_offered_and_one_is_chosen() -> None:
    photo = read_image(PHOTOS / "two_people.jpg")
    with pytest.raises(SeveralFacesError) as caught:
        both_views(photo)
    first, second = caught.value.offered
    assert first.face.height >= second.face.height
    for number, offered in enumerate((first, second)):
        chosen = both_views(photo, number)
        assert np.array_equal(chosen.crops[0], offered.crops[0])
        assert len(chosen.crops) == 2
    with pytest.raises(FaceError, match="no face number 3 in the photo: it has 2"):
        both_views(photo, 2)


def test_a_small_face_that_is_good_is_offered_too() -> None:
    """As one's own in a corner of a call, which the other person fills."""
    photo = two_beside_one_another(160)
    found = both_views(photo)
    assert len(found.others) == 2
    small = both_views(photo, 1)
    assert small.face.centre[0] < 160
    assert small.face.height < 0.5 * found.face.height
    assert len(both_views(two_beside_one_another(60)).others) == 1


def test_what_is_wrong_with_a_photo_does_not_refuse_it() -> None:
    photo = read_image(PHOTOS / "mira.jpg")
    assert both_views(photo).faults == []
    assert both_views(photo // 8).faults[0].reason == "too dark"
