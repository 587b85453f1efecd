"""Likeness: apart from who it is, in a space of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.likeness import (
    MAX_SHARE,
    SURE_LEAD,
    LikenessSpace,
    likeness_in_words,
    make_space,
)
from twin_matcher_dagster.recognition.likeness_metric import fit_metric, robust_mean

DIMENSIONS = 16


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def space_of(seed: int = 0, people: int = 12) -> LikenessSpace:
    """A gallery of noise, seen from a cohort of noise."""
    cohort = noise(seed, 300, DIMENSIONS) + 1
    metric = fit_metric(cohort)
    faces = noise(seed + 1, people, 5, DIMENSIONS) * 0.1 + noise(seed + 2, people, 1, DIMENSIONS)
    return make_space(
        metric, {f"c-{n}": metric.template(some) for n, some in enumerate(faces)}, cohort
    )


def test_the_nearest_comes_first_and_each_has_its_share_of_less_alike_pairs() -> None:
    space = space_of()
    ranked = space.twins(noise(5, DIMENSIONS)[None], 99)[0]
    assert sorted(who for who, _ in ranked) == sorted(space.identities)
    shares = [share for _, share in ranked]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)


def test_a_percentile_is_the_share_of_pairs_that_are_less_alike() -> None:
    cohort = noise(0, 300, DIMENSIONS) + 1
    space = space_of()
    scores = space.scores(cohort)
    for score in np.quantile(scores, [0.05, 0.5, 0.95]):
        share = float((scores < score).mean())
        assert space.percentile(float(score)) == pytest.approx(share, abs=0.003)
    assert space.percentile(-9) == 0
    assert space.percentile(9) == 1


def test_what_all_strangers_share_does_not_count() -> None:
    """From the origin two are alike; from the middle of the cohort they are opposite."""
    middle = 3 * np.ones(DIMENSIONS, np.float32)
    metric = fit_metric(noise(0, 2000, DIMENSIONS) + middle)
    apart = noise(1, DIMENSIONS)
    pair = np.stack([middle + apart, middle - apart])
    one, other = pair / np.linalg.norm(pair, axis=1, keepdims=True)
    assert one @ other > 0.5
    one, other = metric.place(pair)
    assert one @ other < -0.5


def test_a_direction_in_which_photos_of_one_person_differ_counts_less() -> None:
    """Light is not likeness."""
    cohort = noise(0, 500, DIMENSIONS)
    light = np.eye(DIMENSIONS)[0] * 3
    people = [
        noise(n, 1, DIMENSIONS) + noise(50 + n, 40, DIMENSIONS) * 0.05
        + light * noise(90 + n, 40, 1) for n in range(20)
    ]  # fmt: skip
    one, other = noise(7, DIMENSIONS), noise(8, DIMENSIONS)
    bright, dim = one + light, one - light

    def cosine(metric_people: list[np.ndarray], first: np.ndarray, second: np.ndarray) -> float:
        a, b = fit_metric(cohort, metric_people).place(np.stack([first, second]))
        return float(a @ b)

    assert cosine(people, bright, dim) > cosine([], bright, dim) + 0.5
    assert cosine(people, one, other) < 0.6


def test_real_people_have_another_middle_than_rendered_ones() -> None:
    """The more there are, the more they count."""
    cohort = noise(0, 400, DIMENSIONS) + 2
    real = [noise(n, 5, DIMENSIONS) - 2 for n in range(64)]
    middles = [fit_metric(cohort, real[:count]).centre.sum() for count in (0, 8, 64)]
    assert middles[0] > 1 > middles[1] > -1 > middles[2]


def test_percentiles_are_of_the_gallery_where_photos_of_it_are_held_out() -> None:
    """Rendered strangers are far from real people: whoever is real would be strikingly alike."""
    cohort = noise(0, 400, DIMENSIONS) + 2
    centres = noise(1, 12, 1, DIMENSIONS) - 1
    people = {f"c-{n}": centre + noise(20 + n, 20, DIMENSIONS) for n, centre in enumerate(centres)}
    metric = fit_metric(cohort, list(people.values()))
    places = {who: metric.template(one) for who, one in people.items()}
    held_out = {who: one[:1] + noise(50, 9, DIMENSIONS) for who, one in people.items()}
    strangers = noise(3, 300, 1, DIMENSIONS) + noise(4, 300, DIMENSIONS)[:, None] - 1
    shares = {}
    for space in (
        make_space(metric, places, cohort),
        make_space(metric, places, cohort, held_out),
        make_space(metric, places, cohort, {"c-0": held_out["c-0"][:2]}),
    ):
        very_alike = space.scores(strangers[:, 0]) > space.quantiles[950]
        shares[space.measured_on] = float(very_alike.mean())
    assert list(shares) == ["cohort", "gallery"], "22 pairs are too few"
    assert shares["gallery"] == pytest.approx(0.05, abs=0.04)


def test_people_of_few_photos_change_the_metric_less() -> None:
    cohort = noise(0, 100, DIMENSIONS)
    many = [noise(n, 40, DIMENSIONS) for n in range(5)]
    few = [one[:4] for one in many]
    nobody = [one[:2] for one in many]
    assert np.array_equal(fit_metric(cohort, nobody).transform, np.eye(DIMENSIONS))
    condition = [np.linalg.cond(fit_metric(cohort, some).transform) for some in (many, few)]
    assert all(np.isfinite(condition))


def test_nobody_is_the_twin_of_everybody() -> None:
    """One person is where most strangers are, the others aside."""
    kind = 2 * np.ones(DIMENSIONS, np.float32)
    cohort = np.concatenate([noise(0, 500, DIMENSIONS) + kind, noise(1, 300, DIMENSIONS) - kind])
    metric = fit_metric(cohort)
    aside = metric.place(noise(2, 20, DIMENSIONS) - kind)
    places = {f"c-{n}": place for n, place in enumerate(aside)}
    places["c-hub"] = metric.place(kind[None])[0]
    bare = metric.place(cohort) @ np.stack(list(places.values())).T
    space = make_space(metric, places, cohort)

    def commonest(scores: np.ndarray) -> float:
        return float(np.bincount(scores.argmax(1)).max() / len(scores))

    assert commonest(bare) > 0.5
    assert commonest(space.scores(cohort)) <= MAX_SHARE
    assert (space.offsets >= 0).all()


@pytest.mark.parametrize("people", [1, 2, 5])
def test_a_small_gallery_has_twins_too(people: int) -> None:
    space = space_of(people=people)
    assert len(space.twins(noise(3, DIMENSIONS)[None], 99)[0]) == people
    assert np.isfinite(space.offsets).all()


def test_a_photo_of_somebody_else_does_not_move_a_person() -> None:
    metric = fit_metric(noise(0, 300, DIMENSIONS))
    own = noise(1, 1, DIMENSIONS) + noise(2, 20, DIMENSIONS) * 0.1
    mixed = np.concatenate([own, noise(9, 1, DIMENSIONS) * 3])
    assert metric.template(mixed) @ metric.template(own) > 0.999


def test_somebody_who_leaves_takes_their_place_along() -> None:
    whole = space_of()
    left = whole.without("c-3")
    assert "c-3" not in left.identities
    assert len(left.templates) == len(left.offsets) == len(whole.templates) - 1
    place = whole.templates[3].tobytes()
    assert place in whole.to_bytes()
    assert place not in left.to_bytes()
    assert whole.without("u-nobody").to_bytes() == whole.to_bytes()
    others = [one for one in whole.twins(noise(4, DIMENSIONS)[None], 99)[0] if one[0] != "c-3"]
    assert left.twins(noise(4, DIMENSIONS)[None], 99)[0] == others


@given(seed=st.integers(0, 1000), people=st.integers(1, 5))
def test_a_space_reads_back(seed: int, people: int) -> None:
    space = space_of(seed, people)
    back = LikenessSpace.from_bytes(space.to_bytes())
    assert list(back.identities) == list(space.identities)
    assert back.to_bytes() == space.to_bytes()
    assert (
        back.twins(noise(1, DIMENSIONS)[None], 99)[0]
        == space.twins(noise(1, DIMENSIONS)[None], 99)[0]
    )


def test_words() -> None:
    assert likeness_in_words(1.0) == likeness_in_words(0.99) == "strikingly alike"
    assert likeness_in_words(0.96) == "very alike"
    assert likeness_in_words(0.85) == "alike"
    assert likeness_in_words(0.0) == "a little alike"


def test_no_likeness_without_strangers() -> None:
    with pytest.raises(TrainingError, match="cohort of strangers"):
        fit_metric(np.zeros((0, DIMENSIONS), np.float32))


def test_a_sure_twin_is_first_by_a_lead_in_all_that_was_asked() -> None:
    """On the way from one person's place to another's there is a point where both are first."""
    space = replace(space_of(), offsets=np.zeros(12, np.float32))
    one, other = np.linalg.solve(space.transform, space.templates[:2].T).T + space.centre
    assert space.twins(np.stack([one, one * 2, one + 1e-4]), 1)[1]
    assert not space.twins(np.stack([one, other]), 1)[1]
    shares = np.linspace(0, 1, 2001)[:, None]
    way = one / np.linalg.norm(one) * (1 - shares) + other / np.linalg.norm(other) * shares
    scores = np.sort(space.scores(way), 1)
    leads = scores[:, -1] - scores[:, -2]
    close, clear = int(leads.argmin()), int(np.flatnonzero(leads > SURE_LEAD)[-1])
    assert not space.twins(way[[close]], 1)[1]
    assert space.twins(way[[clear]], 1)[1]
    alone = replace(space, identities=["c-0"], templates=space.templates[:1], offsets=np.zeros(1))
    assert alone.twins(np.stack([one, other]), 1)[1]


def test_pairs_of_strangers_are_as_alike_as_they_are() -> None:
    space = space_of()
    strangers = noise(77, 200, DIMENSIONS) + 1
    shares = [space.pair_percentile(*strangers[n : n + 2]) for n in range(0, 200, 2)]
    assert np.quantile(shares, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.15)
    assert space.pair_percentile(strangers[0], strangers[0]) == 1


def test_pairs_of_photos_are_measured_where_the_percentiles_are() -> None:
    """The cohort is aside: from its middle all real people are alike."""
    cohort = noise(0, 300, DIMENSIONS)
    people = {f"c-{n}": noise(n, 1, DIMENSIONS) + 2 for n in range(30)}
    metric = fit_metric(cohort)
    places = {who: metric.template(one) for who, one in people.items()}
    shown = {}
    for held_out in ({}, people):
        space = make_space(metric, places, cohort, held_out)
        strangers = noise(500, 200, DIMENSIONS) + 2
        pairs = zip(strangers[::2], strangers[1::2], strict=True)
        shown[space.measured_on] = np.median([space.pair_percentile(*pair) for pair in pairs])
    assert shown["cohort"] > 0.9
    assert 0.3 < shown["gallery"] < 0.7


def test_the_mean_of_several_photos_leaves_out_what_is_far_from_it() -> None:
    own = noise(1, 1, DIMENSIONS) + noise(2, 7, DIMENSIONS) * 0.1
    other = np.concatenate([own, noise(9, 1, DIMENSIONS)])
    assert robust_mean(other) == pytest.approx(robust_mean(own), abs=1e-6)
    assert np.linalg.norm(robust_mean(own)) == pytest.approx(1)
    assert robust_mean(own[:1]) @ own[0] == pytest.approx(np.linalg.norm(own[0]))
