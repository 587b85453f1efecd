"""Which faces stand for somebody: frontal, sharp, bare, then from either side."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from twin_matcher_dagster.dataset.portrait_file import Portrait
from twin_matcher_dagster.dataset.schema import Face
from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.media.images import encode_png, read_image
from twin_matcher_dagster.release.portrait_choice import chosen_portraits, nearest_in_pose
from twin_matcher_dagster.settings import SAMPLE


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    """Six faces of one person of the sample."""
    rows = pq.read_table(SAMPLE / "faces.parquet").to_pylist()
    own = [row["image"]["bytes"] for row in rows if row["label"] == rows[0]["label"]][:6]
    return [both_views(read_image(image)).crops[0] for image in own]


def face(crop: np.ndarray, yaw: float = 0.0, quality: float = 0.1) -> Face:
    return Face(encode_png(crop), "Ana", "c-ana", "celebrity", "", "train", yaw, quality=quality)


@pytest.mark.parametrize("rows", [slice(60, 92), slice(0, 52)], ids=["sunglasses", "hat"])
def test_what_covers_a_face_is_not_shown(crops: list[np.ndarray], rows: slice) -> None:
    covered = crops[0].copy()
    covered[rows, 20:140] = 8
    some = [face(covered), *map(face, crops[1:])]
    chosen = chosen_portraits(some)
    assert len(chosen) == 3
    assert some[0] not in chosen


def test_the_first_is_frontal_and_sharp_and_the_others_look_aside(crops: list[np.ndarray]) -> None:
    blurred = face(cv2.GaussianBlur(crops[0], (0, 0), 4), quality=0.01)
    turned = [face(crop, yaw) for crop, yaw in zip(crops[1:], (40, -25, 2, 18), strict=False)]
    first, *aside = chosen_portraits([blurred, *turned])
    assert first.yaw == 2
    assert [one.yaw for one in aside] == [-25, 18]


def test_who_has_few_faces_is_shown_by_them(crops: list[np.ndarray]) -> None:
    own = [face(crop) for crop in crops[:2]]
    assert chosen_portraits(own[:1]) == own[:1]
    assert sorted(chosen_portraits(own), key=own.index) == own
    assert chosen_portraits([]) == []


def test_the_nearest_in_pose_comes_first() -> None:
    some = [Portrait(b"front", 0.0), Portrait(b"left", -25.0), Portrait(b"right", 20.0)]
    assert [one.image for one in nearest_in_pose(some, 17.0)] == [b"right", b"front", b"left"]
    assert nearest_in_pose(some, 3.0) == some
    assert nearest_in_pose([], 3.0) == []
