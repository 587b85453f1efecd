"""Alignment: every face in the one position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.faces.alignment import (
    FACE_SIZE,
    align,
    share_inside,
    similarity_transform,
    small_changes,
)
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE

# ArcFace's template for 112 pixels, in our 160: eyes, nose tip, corners of the mouth.
TEMPLATE = (
    np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
         [70.7299, 92.2041]]
    )
    / 0.7
)  # fmt: skip


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    shift=st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
)
def test_a_known_transform_is_recovered(
    angle: float, scale: float, shift: tuple[float, float]
) -> None:
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    known = np.array([[a, -b, shift[0]], [b, a, shift[1]]])
    target = TEMPLATE @ known[:, :2].T + known[:, 2]
    assert np.allclose(similarity_transform(TEMPLATE, target), known, atol=1e-6)


def test_a_face_that_is_no_template_is_met_in_the_middle() -> None:
    """Least squares: the error has no direction left in which it could shrink."""
    wide = TEMPLATE * [1.3, 1.0] + [5, -7]
    matrix = similarity_transform(wide, TEMPLATE)
    assert matrix[0, 0] == matrix[1, 1]
    assert matrix[0, 1] == -matrix[1, 0]
    error = wide @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE
    assert np.allclose(error.mean(0), 0, atol=1e-9)
    assert 0.75 < matrix[0, 0] < 1


@pytest.mark.parametrize("name", ["rory", "amara", "teodor"])
@pytest.mark.parametrize("quarter_turns", [0, 1])
def test_a_face_found_again_is_where_the_template_says(name: str, quarter_turns: int) -> None:
    photo = read_image(SAMPLE / "photos" / f"{name}.jpg")
    (face,) = detect_faces(photo)
    if quarter_turns:
        photo = np.ascontiguousarray(np.rot90(photo))
        x, y = face.landmarks.T
        landmarks = np.stack([y, photo.shape[0] - 1 - x], 1)
    else:
        landmarks = face.landmarks
    crop = align(photo, landmarks)
    assert (crop.shape, crop.dtype) == ((FACE_SIZE, FACE_SIZE, 3), np.uint8)
    (again,) = detect_faces(crop)
    assert np.abs(again.landmarks[:2] - TEMPLATE[:2]).max() < 4


def test_a_large_face_is_averaged_before_it_is_shrunk() -> None:
    """Otherwise a pattern finer than a pixel of the crop turns into noise."""
    board = (np.indices((2400, 2400)).sum(0) % 2 * 255).astype(np.uint8)
    crop = align(np.repeat(board[:, :, None], 3, 2), TEMPLATE * 15)
    assert abs(crop.mean() - 127.5) < 2
    assert crop.std() < 2


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0, 11.0])
def test_what_is_at_a_landmark_comes_to_the_template(scale: float) -> None:
    """Also when the image was averaged first: no shift creeps in."""
    side = int(FACE_SIZE * scale) + 40
    y, x = np.indices((side, side))
    landmarks = TEMPLATE * scale + 20
    distance = np.hypot(x[..., None] - landmarks[:, 0], y[..., None] - landmarks[:, 1]).min(2)
    image = np.repeat((255 * (distance < 4 * scale)).astype(np.uint8)[..., None], 3, 2)
    crop = align(image, landmarks).astype(float)[..., 0]
    v, u = np.indices(crop.shape)
    for point in TEMPLATE:
        near = crop * (np.hypot(u - point[0], v - point[1]) < 10)
        centre = np.array([(near * u).sum(), (near * v).sum()]) / near.sum()
        assert np.abs(centre - point).max() < 0.75


def test_outside_the_image_its_border_goes_on() -> None:
    image = np.full((200, 200, 3), 90, np.uint8)
    assert (align(image, TEMPLATE - 60) == 90).all()


@pytest.mark.parametrize(
    ("shift", "share"),
    [((0, 0), 1.0), ((-80, 0), 0.5), ((0, 120), 0.25), ((80, -80), 0.25), ((200, 0), 0.0)],
)
def test_a_face_at_the_edge_is_inside_in_part(shift: tuple[int, int], share: float) -> None:
    """Whatever its size: here the crop is all but the whole image, moved out of it."""
    for scale in (0.5, 1.0, 6.0):
        side = round((FACE_SIZE + 2) * scale)
        moved = (TEMPLATE + shift + 1) * scale
        assert share_inside(moved, side, side) == pytest.approx(share, abs=0.07)


def test_a_degenerate_face_is_no_error() -> None:
    assert align(np.zeros((50, 50, 3), np.uint8), np.zeros((5, 2), np.float32)).shape == (
        FACE_SIZE,
        FACE_SIZE,
        3,
    )


def test_small_changes_are_small_and_those_of_a_mirrored_crop_are_mirrored() -> None:
    photo = read_image(SAMPLE / "photos" / "mira.jpg")
    crop = align(photo, detect_faces(photo)[0].landmarks)
    changed = small_changes(crop)
    for one in changed:
        assert 0.5 < np.abs(one.astype(int) - crop).mean() < 15
    mirrored = [one[:, ::-1].astype(int) for one in small_changes(crop[:, ::-1].copy())]
    for one in changed:
        assert min(np.abs(other - one).mean() for other in mirrored) < 1
