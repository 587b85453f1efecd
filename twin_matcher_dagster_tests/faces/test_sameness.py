"""Whether two vectors are one person's: the cosine less what both share with strangers."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces import sameness as module
from twin_matcher_dagster.faces.cohort import cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import FixedNetwork, recogniser_of
from twin_matcher_dagster.faces.sameness import SAME_PERSON, Sameness, less_chance, load_sameness

DIMENSIONS = 128


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def noise(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)))


def kind(count: int, seed: int, common: float, direction: int = 0) -> np.ndarray:
    """People of one kind: so much in common, the rest their own."""
    shared = np.eye(DIMENSIONS)[direction]
    return unit(noise(count, seed) + common * shared)


def off_diagonal(scores: np.ndarray) -> np.ndarray:
    return scores[~np.eye(len(scores), dtype=bool)]


def test_the_same_picture_is_one_and_the_order_does_not_count() -> None:
    faces = noise(5, 0)
    scores = Sameness(noise(100, 1))(faces, faces)
    assert np.allclose(np.diag(scores), 1)
    assert np.allclose(scores, scores.T)
    assert scores.max() <= 1 + 1e-6


def test_two_who_are_as_alike_as_each_is_with_strangers_are_at_zero() -> None:
    assert less_chance(np.array(0.3), np.array(0.2), np.array(0.4)) == pytest.approx(0)
    assert less_chance(np.array(0.65), np.array(0.2), np.array(0.4)) == pytest.approx(0.5)
    assert less_chance(np.array(1.0), np.array(1.0), np.array(1.0)) == 0


def test_a_kind_whose_people_are_alike_has_no_more_false_matches() -> None:
    """By cosine one kind is far above the other; beside strangers of both they are level."""
    strangers = np.concatenate([kind(200, 1, 0.8), kind(200, 2, 0.3, direction=1)])
    alike, unlike = kind(200, 3, 0.8), kind(200, 4, 0.3, direction=1)
    cosines = [off_diagonal(faces @ faces.T) for faces in (alike, unlike)]
    scores = [off_diagonal(Sameness(strangers)(faces, faces)) for faces in (alike, unlike)]
    limits = [np.quantile(np.concatenate(each), 0.95) for each in (cosines, scores)]
    before, after = (
        [float((one > limit).mean()) for one in each]
        for each, limit in zip((cosines, scores), limits, strict=True)
    )
    assert before[0] > 20 * before[1]
    assert after[0] < 5 * after[1]


def test_one_pair_is_what_the_table_says() -> None:
    faces, strangers = noise(4, 0), Sameness(noise(100, 1))
    assert strangers.pair(faces[1], faces[3]) == pytest.approx(strangers(faces, faces)[1, 3])


def test_nobody_compared_is_an_empty_table() -> None:
    nobody = np.zeros((0, DIMENSIONS), np.float32)
    assert Sameness(noise(100, 1))(nobody, noise(3, 2)).shape == (0, 3)


def test_photos_of_the_cohort_are_told_apart() -> None:
    """Rendered people are at 0.43 to one another by cosine: its own limit says nothing of them."""
    vectors = cohort_vectors(recogniser_of("bundled"))
    # Half of them are compared; the other half are the strangers.
    half = len(vectors) // 4 * 2
    scores = Sameness(vectors[half:])(vectors[:half:2], vectors[1:half:2])
    assert (np.diag(scores) > SAME_PERSON).mean() > 0.99
    assert (off_diagonal(scores) > SAME_PERSON).mean() < 0.05
    cosines = vectors[:half:2] @ vectors[1:half:2].T
    assert (off_diagonal(cosines) > 0.363).mean() > 0.5


def test_it_is_loaded_once_and_of_another_recogniser_the_cohort_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_sameness() is load_sameness("bundled")
    asked = []

    def ask(network: FixedNetwork) -> np.ndarray:
        asked.append(network.name)
        return noise(10, 0)

    monkeypatch.setattr(module, "cohort_vectors", ask)
    module._sameness_of.cache_clear()
    assert np.array_equal(load_sameness("mine.onnx").cohort, noise(10, 0))
    assert asked == ["mine.onnx:"]
    module._sameness_of.cache_clear()
