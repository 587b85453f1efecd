"""The strangers that ship with the package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq
import pytest

from twin_matcher_dagster.faces.cohort import COHORT_FILE, cohort_crops, cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import LIKENESS, FixedNetwork, recogniser_of
from twin_matcher_dagster.settings import SAMPLE


def test_two_photos_each_of_people_of_all_kinds() -> None:
    assert COHORT_FILE.stat().st_size <= 6_000_000
    table = pq.read_table(COHORT_FILE).to_pylist()
    photos = Counter(row["person"] for row in table)
    assert len(photos) >= 200
    assert set(photos.values()) == {2}
    genders = Counter(row["gender"] for row in table)
    assert max(genders.values()) < 0.6 * len(table)
    assert np.std([row["tone"] for row in table]) > 1


def test_none_of_them_is_in_the_sample() -> None:
    shown = {row["image"]["bytes"] for row in pq.read_table(SAMPLE / "faces.parquet").to_pylist()}
    kept = {row["image"]["bytes"] for row in pq.read_table(COHORT_FILE).to_pylist()}
    assert not shown & kept


def test_crops_are_aligned_faces() -> None:
    crops = cohort_crops()
    assert (crops.shape[1:], crops.dtype) == ((160, 160, 3), np.uint8)


@pytest.mark.parametrize("network", [LIKENESS, recogniser_of("bundled")], ids=lambda n: n.name)
def test_what_the_networks_that_ship_say_is_known(network: FixedNetwork) -> None:
    vectors = cohort_vectors(network)
    assert (vectors.shape, vectors.dtype) == ((len(cohort_crops()), 128), np.float32)
    assert np.allclose(vectors[::97], network.load()(cohort_crops()[::97]), atol=1e-4)


def test_another_network_is_asked() -> None:
    def say(crops: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        return np.eye(len(crops), 128, dtype=np.float32)

    vectors = cohort_vectors(FixedNetwork("of its own:", lambda: say))
    assert np.array_equal(vectors, np.eye(len(cohort_crops()), 128))
