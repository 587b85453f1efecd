"""Who resembles whom: thresholds that ask for more where everybody is alike."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.templates import decode_template, encode_template
from twin_matcher_dagster.uploads.resemblance import ALWAYS, AT_LEAST, Resemblance, resembling


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def people(count: int, shared: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Random people whose vectors have a part in common: 0 for none, 1 for as much as their own."""
    rng = np.random.default_rng(seed)
    common = unit(rng.normal(size=128))
    return {f"c-{n}": unit(unit(rng.normal(size=128)) + shared * common) for n in range(count)}


def nearest(template: np.ndarray, known: dict[str, np.ndarray]) -> Resemblance:
    return resembling(template, known)[0]


def at(person: np.ndarray, cosine: float, seed: int = 1) -> np.ndarray:
    """A vector at a given cosine to a person's."""
    other = np.random.default_rng(seed).normal(size=128)
    other = unit(other - (other @ person) * person)
    return cosine * person + np.sqrt(1 - cosine**2) * other


def test_nobody_is_known_at_first() -> None:
    assert resembling(unit(np.ones(128)), {}) == []


@pytest.mark.parametrize(("cosine", "same"), [(0.95, True), (0.65, True), (0.5, False)])
def test_among_different_people_a_clear_resemblance_is_enough(cosine: float, same: bool) -> None:
    known = people(30, shared=0)
    found = nearest(at(known["c-7"], cosine), known)
    assert found.identity_id == "c-7"
    assert found.similarity == pytest.approx(cosine)
    assert found.threshold == AT_LEAST
    assert found.same is same


def test_among_people_who_are_alike_more_is_asked_for() -> None:
    known = people(30, shared=1)
    newcomer = known.pop("c-7")
    found = nearest(newcomer, known)
    assert found.similarity > AT_LEAST
    assert found.similarity < found.threshold <= ALWAYS


@pytest.mark.parametrize("count", [1, 2, 9])
def test_with_few_others_the_limit_is_fixed(count: int) -> None:
    known = people(count, shared=0)
    found = nearest(at(known["c-0"], 0.7), known)
    assert found.threshold == ALWAYS
    assert not found.same


def test_everybody_who_is_taken_for_the_same_is_named() -> None:
    known = people(30, shared=0)
    known |= {"u-1": at(known["c-7"], 0.95, seed=5), "u-2": at(known["c-7"], 0.97, seed=6)}
    found = resembling(known["c-7"], known)
    assert [one.identity_id for one in found] == ["c-7", "u-2", "u-1"]
    assert all(one.same for one in found)


def test_a_template_survives_a_manifest() -> None:
    vector = unit(np.random.default_rng(3).normal(size=128))
    again = decode_template(encode_template(vector))
    assert again.dtype == np.float32
    assert float(again @ vector) > 0.99999
