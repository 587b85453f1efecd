"""Copies of a photo are found however they were altered; other photos are not taken for copies."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.duplicate_photos import (
    SAME_PHOTO,
    copies_between,
    registered_correlation,
    same_photos,
    thumbnail,
)
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.media.images import encode_jpeg, read_image
from twin_matcher_dagster_tests.people import read_raw_sample

COUNT = 24


def half(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image * 1.15 + 10, 0, 255).astype(np.uint8)


def cropped(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[12:-6, 6:-12])


def compressed(image: np.ndarray) -> np.ndarray:
    return read_image(encode_jpeg(image, 30))


ALTERED = [compressed, half, mirrored, brighter, cropped, lambda image: half(mirrored(image))]


def crop_of(image: np.ndarray) -> np.ndarray:
    return align(image, detect_faces(image)[0].landmarks)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    """Photos of different people: one of each."""
    by_label = {row.label: row.image for row in read_raw_sample()}
    return [read_image(by_label[label]) for label in sorted(by_label)[:COUNT]]


@pytest.fixture(scope="module")
def crops(photos: list[np.ndarray]) -> list[np.ndarray]:
    return [crop_of(photo) for photo in photos]


def shown(crops: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([thumbnail(crop) for crop in crops]), load_recogniser()(crops)


@pytest.mark.parametrize("alter", ALTERED)
def test_an_altered_copy_is_the_same_photo(
    photos: list[np.ndarray], crops: list[np.ndarray], alter: Callable[[np.ndarray], np.ndarray]
) -> None:
    copies = [crop_of(alter(photo)) for photo in photos]
    found = same_photos(*shown([*crops, *copies]))
    joined = found.numbers[:COUNT] == found.numbers[COUNT:]
    assert joined.mean() >= 0.85
    assert len(set(found.numbers[:COUNT].tolist())) == COUNT
    assert (found.values[:COUNT][joined] >= SAME_PHOTO).all()


def test_three_copies_are_one_photo(photos: list[np.ndarray], crops: list[np.ndarray]) -> None:
    copies = [crop_of(compressed(photos[0])), crop_of(mirrored(photos[0]))]
    found = same_photos(*shown([*crops, *copies]))
    assert np.flatnonzero(found.numbers == 0).tolist() == [0, COUNT, COUNT + 1]
    assert np.flatnonzero(found.values).tolist() == [0, COUNT, COUNT + 1]


def test_other_photos_are_other_photos(crops: list[np.ndarray]) -> None:
    found = same_photos(*shown(crops))
    assert found.numbers.tolist() == list(range(COUNT))
    assert not found.values.any()


def test_copies_are_found_between_two_sets(
    photos: list[np.ndarray], crops: list[np.ndarray]
) -> None:
    """By the pictures alone: this is what the check of the splits asks."""
    thumbnails = np.stack([thumbnail(crop) for crop in crops])
    copy = thumbnail(crop_of(mirrored(photos[5])))
    assert [(i, j) for i, j, _ in copies_between(thumbnails, copy[None])] == [(5, 0)]
    assert copies_between(thumbnails[:5], copy[None]) == []
    assert copies_between(thumbnails[:0], thumbnails) == []


def test_a_flat_picture_has_no_correlation() -> None:
    flat = np.zeros((48, 48), np.float32)
    assert registered_correlation(flat, flat) == 0.0


def test_a_wild_map_does_not_make_two_pictures_one(crops: list[np.ndarray]) -> None:
    """A corner blown up to the whole picture may fit anything."""
    one = thumbnail(crops[0])
    corner = cv2.resize(one[:16, :16], (48, 48), interpolation=cv2.INTER_LINEAR)
    assert registered_correlation(corner, one) < SAME_PHOTO


def test_nothing_is_one_photo_with_nothing() -> None:
    found = same_photos(np.zeros((0, 48, 48), np.float32), np.zeros((0, 128), np.float32))
    assert len(found.numbers) == len(found.values) == 0
