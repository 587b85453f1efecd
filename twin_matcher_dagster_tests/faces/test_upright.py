"""Photos the right way up, and small faces in large photos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from twin_matcher_dagster.faces import upright
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.upright import upright_view, upright_views
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE

NAMES = ("amara", "mira", "rory", "teodor")


def photo(name: str) -> np.ndarray:
    return read_image(SAMPLE / "photos" / f"{name}.jpg")


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_photo_that_lies_or_stands_on_its_head_is_turned(name: str, turns: int) -> None:
    assert np.array_equal(upright_view(np.rot90(photo(name), turns)).image, photo(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_and_its_mirror_image_are_turned_alike(name: str) -> None:
    lying = np.rot90(photo(name))
    views = upright_views([lying, lying[:, ::-1]])
    assert np.array_equal(views[0].image, photo(name))
    assert np.array_equal(views[1].image, photo(name)[:, ::-1])
    assert all(len(view.faces) == 1 for view in views)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The longer sides at which the detector looked."""
    sides: list[int] = []

    def count(image: np.ndarray, side: int) -> list[Detection]:
        sides.append(side)
        return detect_faces(image, side)

    monkeypatch.setattr(upright, "detect_faces", count)
    return sides


def test_one_look_is_enough_for_a_photo_that_is_upright(looks: list[int]) -> None:
    assert upright_view(photo("mira")).image is not None
    assert looks == [640]


def test_a_small_face_in_a_large_photo_is_found(looks: list[int]) -> None:
    """80 pixels of 12 megapixels: 13 in the first look."""
    large = np.full((3024, 4032, 3), 150, np.uint8)
    small = cv2.resize(photo("mira"), (200, 200), interpolation=cv2.INTER_AREA)
    large[1000:1200, 2000:2200] = small
    view = upright_view(large)
    (face,) = view.faces
    assert 2000 < face.centre[0] < 2200
    assert face.height < 100
    assert looks[:4] == [640] * 4
    assert max(looks) > 640


def test_where_there_is_no_face_the_photo_stays_as_it_is(looks: list[int]) -> None:
    image = photo("no_face")
    view = upright_view(image)
    assert view.image is image
    assert view.faces == []
    # No larger than it is.
    assert looks == [640] * 4 if max(image.shape) <= 640 else [*[640] * 4, 1280]


def test_of_real_photos_each_is_found_the_right_way_up(shared_data: Path) -> None:
    photos = [read_image(path) for path in sorted((shared_data / "photos").glob("*.jpg"))]
    with_face = [image for image in photos if upright_view(image).faces]
    assert len(with_face) > 3
    for image in with_face:
        for turns in (1, 2):
            assert np.array_equal(upright_view(np.rot90(image, turns)).image, image)
