"""The network that likeness is asked of."""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.faces.cohort import cohort_crops
from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE


def test_a_vector_is_of_unit_length_and_the_same_for_the_mirror_image() -> None:
    crops = cohort_crops()[:3]
    network = load_likeness_network()
    vectors = network(crops)
    assert vectors.shape == (3, 128)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.allclose(network(crops[:, :, ::-1]), vectors, atol=1e-5)
    assert np.allclose(network(crops[1:2]), vectors[1:2], atol=1e-6)  # alone as in company
    assert load_likeness_network() is network


def test_no_face_no_vector() -> None:
    assert load_likeness_network()([]).shape == (0, 128)


def test_two_photos_of_one_person_are_more_alike_than_two_people() -> None:
    vectors = load_likeness_network()(cohort_crops()[:40])
    cosines = vectors @ vectors.T
    own = np.array([cosines[n, n + 1] for n in range(0, 40, 2)])
    others = cosines[np.triu_indices(40, 2)]
    assert np.median(own) > np.quantile(others, 0.95)


def test_a_photo_and_its_mirror_image_have_the_same_views() -> None:
    photo = read_image(SAMPLE / "photos" / "mira.jpg")
    first, second = both_views(photo).crops
    mirrored, back = both_views(np.ascontiguousarray(photo[:, ::-1])).crops
    assert np.array_equal(first, back)
    assert np.array_equal(second, mirrored)
    assert first.shape == (160, 160, 3)
