"""Uploads that are made of several people, by their vectors, and honest ones that are not."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.sameness import Sameness
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.uploads.mixtures import (
    BETWEEN,
    between,
    coherence,
    crops_of_others,
    mixed,
)

SAME = 0.5


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def people(count: int, seed: int = 0) -> np.ndarray:
    """Unlike one another: float32 [count, 128], at right angles."""
    drawn = np.random.default_rng(seed).normal(size=(128, count))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def faces_of(person: np.ndarray, count: int = 24, spread: float = 0.9, seed: int = 1) -> np.ndarray:
    """Photos as the recogniser sees them: cosines of about 0.55 to one another."""
    noise = np.random.default_rng(seed).normal(size=(count, 128)) * spread / np.sqrt(128)
    return unit(person + noise)


SAMENESS = Sameness(unit(np.random.default_rng(9).normal(size=(400, 128))))
ANA, BO, CID, DEE = people(4)


@pytest.mark.parametrize("count", [2, 3, 20, 24, 85])
@pytest.mark.parametrize("spread", [0.05, 0.5, 0.9, 1.1])
def test_one_person_is_one(count: int, spread: float) -> None:
    assert mixed(faces_of(ANA, count, spread), SAMENESS) == ()


# SAFETY, "12 + 12 crops of two celebrities are accepted".
@pytest.mark.parametrize("parts", [(12, 12), (18, 6), (20, 5), (80, 5), (8, 8, 8), (6, 6, 6, 6)])
def test_crops_of_several_people_are_no_person(parts: tuple[int, ...]) -> None:
    crops = [faces_of(who, n, seed=n) for who, n in zip((ANA, BO, CID, DEE), parts, strict=False)]
    found = mixed(np.concatenate(crops), SAMENESS)
    assert "faces look like a second person's" in found[0]


def test_two_strangers_among_many_faces_make_no_second_person() -> None:
    assert mixed(np.concatenate([faces_of(ANA, 22), faces_of(BO, 2)]), SAMENESS) == ()


def test_faces_that_do_not_agree_are_no_person() -> None:
    """As the blends of other photos each: they share something, but less than one person's."""
    loose = faces_of(ANA, 24, spread=2.6)
    assert coherence(loose, SAMENESS) < 0.2
    assert any("less alike than one person's" in flag for flag in mixed(loose, SAMENESS))


def counted(vectors: np.ndarray, known: np.ndarray) -> list[int]:
    own = SAMENESS(vectors, template_of(vectors)[None])[:, 0]
    return crops_of_others(SAMENESS(vectors, known), own, SAME).tolist()


@pytest.mark.parametrize(("parts", "found"), [((22, 2), 2), ((18, 6), 6), ((80, 5), 5)])
def test_a_share_of_crops_of_somebody_known_is_seen(parts: tuple[int, int], found: int) -> None:
    crops = np.concatenate([faces_of(ANA, parts[0]), faces_of(BO, parts[1], seed=2)])
    assert counted(crops, np.stack([BO, CID])) == [found, 0]


@pytest.mark.parametrize("parts", [(23, 1), (82, 3)])
def test_a_crop_or_two_are_an_accident(parts: tuple[int, int]) -> None:
    crops = np.concatenate([faces_of(ANA, parts[0]), faces_of(BO, parts[1], seed=2)])
    assert counted(crops, BO[None]) == [0]


def test_who_resembles_somebody_has_crops_of_their_own() -> None:
    """Some are above the limit: but they are nearer to the upload's own mean face."""
    like = unit(0.45 * BO + np.sqrt(1 - 0.45**2) * ANA)
    crops = faces_of(like, 40, spread=0.5)
    assert (SAMENESS(crops, BO[None]) > 0.3).any()
    assert counted(crops, BO[None]) == [0]


def explained(face: np.ndarray, known: np.ndarray) -> float:
    pair = between(SAMENESS(face[None], known)[0], known, SAMENESS)
    return pair.explained if pair else 0.0


def test_the_mean_of_two_lies_between_them() -> None:
    known = people(30)
    pair = between(SAMENESS(unit(known[3] + known[7])[None], known)[0], known, SAMENESS)
    assert pair is not None
    assert {pair.one, pair.other} == {3, 7}
    assert pair.explained > 0.9


@pytest.mark.parametrize("weight", [0.35, 0.5, 0.65])
def test_a_mean_of_two_is_seen_beside_what_a_blend_loses(weight: float) -> None:
    own = people(40)[35]
    face = unit(weight * ANA + (1 - weight) * BO + 0.45 * own)
    assert explained(face, np.stack([CID, ANA, DEE, BO])) > BETWEEN


def test_a_stranger_lies_between_nobody() -> None:
    known = people(100)
    for seed in range(20):
        assert explained(unit(np.random.default_rng(seed).normal(size=128)), known) < BETWEEN


def test_of_two_who_are_alike_nobody_is_a_mean() -> None:
    """Whoever resembles both resembles what they share."""
    twin = unit(ANA + 0.8 * BO)
    face = unit(ANA + 0.7 * CID)
    assert explained(face, np.stack([ANA, twin])) == 0
    assert between(np.zeros(0), np.zeros((0, 128)), SAMENESS) is None


def test_more_people_do_not_hide_whom_a_face_is_made_of() -> None:
    """SAFETY: two matches lifted the limit for each other."""
    known, copies = people(60), faces_of(ANA, 30, spread=0.1)
    face = unit(ANA + BO)
    alone = explained(face, np.stack([ANA, BO]))
    assert explained(face, np.concatenate([[ANA, BO], known, copies])) >= alone - 1e-6
