"""Detection on the sample's photos, and on real ones where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twin_matcher_dagster.faces.detection import SCORE_THRESHOLD, Detection, detect_faces
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE


def photo(name: str) -> np.ndarray:
    return read_image(SAMPLE / "photos" / name)


def holds(face: Detection, point: tuple[float, float]) -> bool:
    return face.x <= point[0] <= face.x + face.width and face.y <= point[1] <= face.y + face.height


@pytest.mark.parametrize(
    ("name", "count"),
    [("mira.jpg", 1), ("teodor.jpg", 1), ("two_people.jpg", 2), ("no_face.jpg", 0)],
)
def test_every_face_is_found_once(name: str, count: int) -> None:
    faces = detect_faces(photo(name))
    assert len(faces) == count
    for face in faces:
        assert SCORE_THRESHOLD <= face.score <= 1
        assert holds(face, face.centre)
        assert face.landmarks.shape == (5, 2)
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert all(holds(face, point) for point in face.landmarks)


def test_boxes_are_in_pixels_of_the_image() -> None:
    """Whatever the image is shrunk to before detection."""
    small = photo("mira.jpg")
    large = np.asarray(Image.fromarray(small).resize((1920, 1920)))
    (first,), (second,) = detect_faces(small), detect_faces(large)
    tolerance = 0.03 * first.height
    assert np.allclose(second.landmarks / 3, first.landmarks, atol=tolerance)
    assert np.allclose(np.array(second.centre) / 3, first.centre, atol=tolerance)
    assert second.height / 3 == pytest.approx(first.height, rel=0.08)


def test_the_largest_face_comes_first() -> None:
    people = Image.new("RGB", (900, 600), "grey")
    people.paste(Image.fromarray(photo("rory.jpg")).resize((250, 250)), (20, 20))
    people.paste(Image.fromarray(photo("mira.jpg")).resize((560, 560)), (320, 20))
    large, small = detect_faces(np.asarray(people))
    assert large.centre[0] > 320 > small.centre[0]
    assert large.height > 1.5 * small.height


@pytest.mark.parametrize("shape", [(1, 1), (7, 900), (900, 7), (160, 160)])
def test_an_odd_image_has_no_face(shape: tuple[int, int]) -> None:
    assert detect_faces(np.full((*shape, 3), 127, np.uint8)) == []


def test_a_turned_view_of_an_array_is_read_right() -> None:
    turned = np.rot90(np.rot90(photo("mira.jpg"), 1).copy(), 3)
    assert not turned.flags.owndata
    (face,), (wanted,) = detect_faces(turned), detect_faces(photo("mira.jpg"))
    assert np.allclose(face.landmarks, wanted.landmarks)


def test_every_annotated_nose_is_in_one_box_of_real_photos(shared_data: Path) -> None:
    annotated = json.loads((shared_data / "photos" / "faces.json").read_text())
    assert sum(len(noses) for noses in annotated.values()) == 20
    for name, noses in annotated.items():
        faces = detect_faces(read_image(shared_data / "photos" / name), max_side=1280)
        boxes_a_nose = [sum(holds(face, nose) for face in faces) for nose in noses]
        assert boxes_a_nose == [1] * len(noses), name
        assert all(any(holds(face, nose) for nose in noses) for face in faces), name
