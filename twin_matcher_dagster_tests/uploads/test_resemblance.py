"""Who resembles whom: one limit, whether everybody is alike or not."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.sameness import Sameness
from twin_matcher_dagster.faces.templates import decode_template, encode_template
from twin_matcher_dagster.uploads.resemblance import KNOWN_PERSON, Resemblance, resembling


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def vectors(count: int, shared: float, seed: int) -> np.ndarray:
    """Random people whose vectors have a part in common: 0 for none, 1 for as much as their own."""
    common = unit(np.random.default_rng(0).normal(size=128))
    return unit(unit(np.random.default_rng(seed).normal(size=(count, 128))) + shared * common)


def people(count: int, shared: float = 0) -> dict[str, np.ndarray]:
    return {f"c-{n}": vector for n, vector in enumerate(vectors(count, shared, seed=1))}


def compare(
    template: np.ndarray, known: dict[str, np.ndarray], shared: float = 0
) -> list[Resemblance]:
    """Beside strangers who are as alike as those who are known."""
    return resembling(template, known, Sameness(vectors(400, shared, seed=2)))


def at(person: np.ndarray, cosine: float, seed: int = 9) -> np.ndarray:
    """A vector at a given cosine to a person's."""
    other = np.random.default_rng(seed).normal(size=128)
    other = unit(other - (other @ person) * person)
    return cosine * person + np.sqrt(1 - cosine**2) * other


def test_nobody_is_known_at_first() -> None:
    assert compare(unit(np.ones(128)), {}) == []


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize(("cosine", "same"), [(0.95, True), (0.7, True), (0.5, False)])
def test_among_different_people_a_clear_resemblance_is_enough(
    cosine: float, same: bool, count: int
) -> None:
    known = people(count)
    found = compare(at(known["c-0"], cosine), known)[0]
    assert found.identity_id == "c-0"
    assert found.same is same


def test_among_people_who_are_alike_more_is_asked_for() -> None:
    known = people(30, shared=1)
    assert not compare(at(known["c-7"], 0.7), known, shared=1)[0].same
    assert compare(at(known["c-7"], 0.9), known, shared=1)[0].same


def test_people_who_are_alike_are_not_taken_for_one() -> None:
    known = people(30, shared=1)
    newcomer = known.pop("c-7")
    assert max(vector @ newcomer for vector in known.values()) > KNOWN_PERSON
    assert not compare(newcomer, known, shared=1)[0].same


def test_everybody_who_is_taken_for_the_same_is_named() -> None:
    known = people(30)
    known |= {"u-1": at(known["c-7"], 0.95, seed=5), "u-2": at(known["c-7"], 0.97, seed=6)}
    found = compare(known["c-7"], known)
    assert [one.identity_id for one in found] == ["c-7", "u-2", "u-1"]
    assert all(one.same for one in found)


def test_a_template_survives_a_manifest() -> None:
    vector = unit(np.random.default_rng(3).normal(size=128))
    again = decode_template(encode_template(vector))
    assert again.dtype == np.float32
    assert float(again @ vector) > 0.99999
