"""The gallery: two vectors of everybody, what is nearest, and by how much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import COMPONENTS, Gallery


def unit(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane, so that cosines are known."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def gallery(*weights: float) -> Gallery:
    """The network says Ana, then Bob, then Cleo; the recogniser the other way round."""
    return Gallery(
        ["c-ana", "c-bob", "u-cleo"],
        unit(10, 40, 80),
        unit(90, 50, 20),
        Fusion(weights, -3.0, COMPONENTS),
        2.0,
    )


PROBE = unit(0)[0]


def order(index: Gallery) -> list[str]:
    return [index.identities[n] for n in np.argsort(-index.evidence(PROBE, PROBE), kind="stable")]


def test_the_fusion_says_who_is_nearest() -> None:
    assert order(gallery(1, 0)) == ["c-ana", "c-bob", "u-cleo"]
    assert order(gallery(0, 1)) == ["u-cleo", "c-bob", "c-ana"]
    # Cosines of 10 and 90 degrees are less together than those of 40 and 50.
    assert order(gallery(1, 1)) == ["c-bob", "u-cleo", "c-ana"]


def test_evidence_is_the_logarithm_of_a_likelihood_ratio() -> None:
    ana, bob, cleo = gallery(6, 2).evidence(PROBE, PROBE)
    assert ana == pytest.approx(6 * cosine(10) + 2 * cosine(90) - 3, abs=1e-5)
    assert bob == pytest.approx(6 * cosine(40) + 2 * cosine(50) - 3, abs=1e-5)
    assert cleo == pytest.approx(6 * cosine(80) + 2 * cosine(20) - 3, abs=1e-5)


def test_each_vector_is_compared_with_its_own_kind() -> None:
    cosines = gallery(1, 1).cosines(unit(0, 10), unit(0, 90))
    assert cosines.shape == (2, 3, 2)
    assert COMPONENTS == ("resnet", "recogniser")
    assert cosines[0, :, 0] == pytest.approx([cosine(10), cosine(40), cosine(80)], abs=1e-6)
    assert cosines[0, :, 1] == pytest.approx([cosine(90), cosine(50), cosine(20)], abs=1e-6)
    assert cosines[1, :, 0] == pytest.approx([cosine(0), cosine(30), cosine(70)], abs=1e-6)
    assert cosines[1, :, 1] == pytest.approx([cosine(0), cosine(40), cosine(70)], abs=1e-6)


def test_somebody_who_leaves_takes_both_vectors_along() -> None:
    whole = gallery(6, 2)
    left = whole.without("c-bob")
    assert list(left.identities) == ["c-ana", "u-cleo"]
    assert (len(left.rows), len(left.templates)) == (2, 2)
    assert (left.fusion, left.temperature) == (whole.fusion, whole.temperature)
    bob = (whole.rows[1].tobytes(), whole.templates[1].tobytes(), b"c-bob")
    assert all(part in whole.to_bytes() for part in bob)
    assert not any(part in left.to_bytes() for part in bob)
    others = whole.evidence(PROBE, PROBE)[[0, 2]]
    assert np.array_equal(left.evidence(PROBE, PROBE), others)
    assert whole.without("u-nobody").to_bytes() == whole.to_bytes()


def test_some_of_it_in_another_order() -> None:
    some = gallery(6, 2).of(["u-cleo", "c-ana"])
    assert np.array_equal(some.rows, unit(80, 10))
    assert np.array_equal(some.templates, unit(20, 90))
    assert order(some) == ["c-ana", "u-cleo"]
    with pytest.raises(ValueError, match="c-nobody"):
        gallery(6, 2).of(["c-nobody"])


@given(seed=st.integers(0, 10_000), people=st.integers(1, 6))
def test_bytes_read_back(seed: int, people: int) -> None:
    random = np.random.default_rng(seed)
    rows, templates = (random.normal(size=(people, size)).astype(np.float32) for size in (8, 128))
    names = [f"u-{n}-ñ😀" for n in range(people)]
    fusion = Fusion((float(random.random()), float(random.random())), -1.5, COMPONENTS)
    index = Gallery(names, rows, templates, fusion, float(random.random()))
    back = Gallery.from_bytes(index.to_bytes())
    assert np.array_equal(back.rows, index.rows)
    assert np.array_equal(back.templates, index.templates)
    assert list(back.identities) == names
    assert (back.fusion, back.temperature) == (index.fusion, index.temperature)
    assert back.to_bytes() == index.to_bytes()
    probe = rows[0], templates[0]
    assert np.array_equal(back.evidence(*probe), index.evidence(*probe))


def test_vectors_that_are_not_in_order_in_memory_are_written_as_they_are() -> None:
    whole = gallery(1, 1)
    turned = Gallery(whole.identities, np.asfortranarray(whole.rows), whole.templates, whole.fusion)
    assert np.array_equal(Gallery.from_bytes(turned.to_bytes()).rows, whole.rows)


def test_an_index_of_an_earlier_version_says_what_to_do() -> None:
    old = save({"embeddings": np.zeros((1, 2), np.float32)}, metadata={"identities": "[]"})
    with pytest.raises(TrainingError, match="Launch the job `release`"):
        Gallery.from_bytes(old)
