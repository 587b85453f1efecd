"""One face out of one photo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.single_face import only_face, rivals
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE

PHOTOS = SAMPLE / "photos"


def of_height(height: float) -> Detection:
    return Detection(0, 0, 1, height, np.zeros((5, 2), np.float32), 0.99)


@pytest.mark.parametrize("name", ["amara", "mira", "rory", "teodor"])
def test_a_photo_of_one_person(name: str) -> None:
    crop = only_face(read_image(PHOTOS / f"{name}.jpg"))
    assert (crop.shape, crop.dtype) == ((160, 160, 3), np.uint8)
    (face,) = detect_faces(crop)
    between_the_eyes = face.landmarks[:2].mean(0)
    assert np.abs(between_the_eyes - [80, 74]).max() < 6
    assert face.height > 80


def test_no_face_says_what_photo_to_use() -> None:
    with pytest.raises(FaceError, match=r"No face was found\. Use a photo"):
        only_face(read_image(PHOTOS / "no_face.jpg"))


def test_two_people_say_what_photo_to_use() -> None:
    with pytest.raises(FaceError, match=r"Several faces were found \(2\)\. Use a photo of one"):
        only_face(read_image(PHOTOS / "two_people.jpg"))


def test_somebody_far_behind_does_not_matter() -> None:
    photo = Image.open(PHOTOS / "mira.jpg").convert("RGB")
    alone = only_face(np.asarray(photo))
    passer_by = Image.open(PHOTOS / "rory.jpg").convert("RGB").resize((160, 160))
    photo.paste(passer_by, (0, 0))
    assert len(detect_faces(np.asarray(photo))) == 2
    difference = only_face(np.asarray(photo)).astype(int) - alone
    assert np.abs(difference).mean() < 12


def test_a_photo_that_lies_on_its_side_is_turned_by_its_exif() -> None:
    """As phones store a portrait."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.open(PHOTOS / "mira.jpg").convert("RGB").transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    lying.save(buffer, "JPEG", exif=exif, quality=95)
    crop = only_face(read_image(buffer.getvalue()))
    upright = only_face(read_image(PHOTOS / "mira.jpg"))
    assert np.abs(crop.astype(int) - upright).mean() < 6


def test_rivals_are_at_least_half_as_high() -> None:
    heights = [100, 99, 50, 49.9, 10]
    faces = [of_height(height) for height in heights]
    assert [face.height for face in rivals(faces)] == [99, 50]
    assert rivals(faces[:1]) == rivals([]) == []
