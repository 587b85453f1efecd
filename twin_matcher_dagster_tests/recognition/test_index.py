"""The gallery: what is nearest, by how much, and how well it works."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.recognition.index import FaceIndex, evaluate, rank_of


def unit(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane, so that cosines are known."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def cosine(*degrees: float) -> float:
    return float(np.cos(np.radians(degrees)).mean())


# Ana around 10 degrees, Bob around 60 with two faces only, Cleo far away.
GALLERY = FaceIndex(
    unit(8, 9, 10, 11, 12, 170, 60, 64, 120, 121, 122, 123, 124, 125),
    np.array([0] * 6 + [1] * 2 + [2] * 6),
    ["c-ana", "c-bob", "u-cleo"],
)
PROBE = unit(0)[0]


def test_the_nearest_identity_comes_first() -> None:
    ana, bob, cleo = GALLERY.search(PROBE)
    assert [twin.identity_id for twin in (ana, bob, cleo)] == ["c-ana", "c-bob", "u-cleo"]
    assert (ana.nearest, bob.nearest, cleo.nearest) == (0, 6, 8)
    assert GALLERY.search(unit(62)[0])[0].identity_id == "c-bob"


def test_similarity_is_the_mean_over_the_five_nearest_faces() -> None:
    ana, bob, cleo = GALLERY.search(PROBE)
    assert ana.similarity == pytest.approx(cosine(8, 9, 10, 11, 12), abs=1e-6)
    assert bob.similarity == pytest.approx(cosine(60, 64), abs=1e-6)  # it has two
    assert cleo.similarity == pytest.approx(cosine(120, 121, 122, 123, 124), abs=1e-6)


def test_no_more_than_asked_for_and_nobody_without_faces() -> None:
    assert len(GALLERY.search(PROBE, top=2)) == 2
    assert len(GALLERY.search(PROBE, top=99)) == 3
    crowd = FaceIndex(GALLERY.embeddings, GALLERY.owners, [*GALLERY.identities, "u-nobody"])
    assert "u-nobody" not in {twin.identity_id for twin in crowd.search(PROBE, top=99)}
    empty = FaceIndex(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), [])
    assert empty.search(PROBE) == []


@given(seed=st.integers(0, 10_000), people=st.integers(1, 6), faces=st.integers(1, 9))
def test_bytes_read_back(seed: int, people: int, faces: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(faces, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"u-{n}-ñ😀" for n in range(people)]
    index = FaceIndex(vectors, random.integers(0, people, faces), names)
    back = FaceIndex.from_bytes(index.to_bytes())
    assert np.array_equal(back.embeddings, index.embeddings)
    assert np.array_equal(back.owners, index.owners)
    assert list(back.identities) == names
    assert back.to_bytes() == index.to_bytes()
    assert back.search(vectors[0], people) == index.search(vectors[0], people)


def test_ranks_start_at_one() -> None:
    assert [rank_of(GALLERY, PROBE, who) for who in GALLERY.identities] == [1, 2, 3]
    assert rank_of(GALLERY, PROBE, "c-unknown") == 4


def test_held_out_faces_are_counted() -> None:
    probes = unit(5, 61, 0, 118)
    truth = ["c-ana", "c-bob", "u-cleo", "u-cleo"]
    classes = ["u-cleo", "c-ana", "c-bob"]
    probabilities = np.array(
        [[0.1, 0.8, 0.1], [0.5, 0.1, 0.4], [0.2, 0.7, 0.1], [0.9, 0.0, 0.1]], np.float32
    )
    measured = evaluate(GALLERY, probes, probabilities, truth, classes)
    assert measured.faces == 4
    assert measured.classifier_accuracy == 0.5
    assert measured.rank1 == 0.75  # the third probe looks like Ana
    assert measured.rank3 == 1.0
    assert measured.chance == 0.5
    assert measured.as_dict()["rank1"] == 0.75
