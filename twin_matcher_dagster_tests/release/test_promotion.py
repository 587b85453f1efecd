"""A challenger against the release, on answers that are kept in a bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from twin_matcher_dagster.faces.cohort import cohort_fingerprint, cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import LIKENESS
from twin_matcher_dagster.recognition.likeness import LikenessSpace, make_space
from twin_matcher_dagster.recognition.likeness_metric import LikenessMetric, fit_metric
from twin_matcher_dagster.release.promotion import compare_with_release, describe, in_production
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import models, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import HeldOutAnswer, Index, encode_answers
from twin_matcher_dagster.storage.records.release import (
    Against,
    Difference,
    Release,
    Withdrawn,
    read_release,
)
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.records import INDEX, MODEL, RELEASE, UPLOAD, example

PEOPLE, FACES = 12, 10


def answers(
    right: float, name: str = "face", alone: float | None = None
) -> dict[str, HeldOutAnswer]:
    """Answers on ten faces of each of twelve people, of which so many are right.

    The network ``alone`` finds as many, or its own share.
    """
    by_network = right if alone is None else alone
    return {
        f"{name} {who} {number}": HeldOutAnswer(
            f"c-{who}", number < right * FACES, number < by_network * FACES
        )
        for who in range(PEOPLE)
        for number in range(FACES)
    }


def put_answers(store: ObjectStore, told: Mapping[str, HeldOutAnswer]) -> str:
    return put_file(store, layout.INDEXES, encode_answers(told), ".json")


def index_of(store: ObjectStore, told: Mapping[str, HeldOutAnswer], model: str) -> Index:
    """The index of a model that gave these answers."""
    return replace(INDEX, basis=model, answers=put_answers(store, told))


class Champions:
    """The log of releases, whose model learnt from one upload."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._model = models(store).append(MODEL).number

    def release(self, told: Mapping[str, HeldOutAnswer], model: str) -> int:
        """Release a model that gave these answers; the release's number."""
        return self.append(basis=model, answers=put_answers(self._store, told))

    def append(self, **changes: Any) -> int:
        """One more release; its number."""
        plain = replace(RELEASE, model=self._model, override="")
        return releases(self._store).append(replace(plain, **changes)).number


@pytest.fixture
def store() -> ObjectStore:
    """An empty bucket in memory."""
    return memory_bucket()


@pytest.fixture
def champions(store: ObjectStore) -> Champions:
    return Champions(store)


@pytest.mark.parametrize(
    ("champion", "challenger", "difference", "worse"),
    [(0.9, 0.5, -0.4, True), (0.5, 0.9, 0.4, False), (0.9, 0.9, 0.0, False)],
)
def test_the_same_faces_are_compared(
    store: ObjectStore,
    champions: Champions,
    champion: float,
    challenger: float,
    difference: float,
    worse: bool,
) -> None:
    champions.release(answers(0.0), "long ago")
    number = champions.release(answers(champion), "old")
    against = compare_with_release(store, index_of(store, answers(challenger), "new"))
    assert (against.release, against.faces) == (number, PEOPLE * FACES)
    for told in differences(against):
        assert told.difference == pytest.approx(difference)
        assert told.low <= told.difference <= told.high
    assert against.worse is worse
    written = json.dumps(replace(RELEASE, against=against).as_body())
    stored = read_release(json.loads(written))
    assert isinstance(stored, Release)
    assert stored.against == against


def without(
    told: Mapping[str, HeldOutAnswer], person: str, still_found: int
) -> dict[str, HeldOutAnswer]:
    """The same answers, of which those on one person are right for so many faces only."""
    gone = [face for face, one in told.items() if one.identity_id == person][still_found:]
    return {
        face: HeldOutAnswer(one.identity_id, fused=False, network=False) if face in gone else one
        for face, one in told.items()
    }


def differences(against: Against) -> tuple[Difference, Difference]:
    """Of the fused score, and of the network alone."""
    assert against.fused
    assert against.resnet
    return against.fused, against.resnet


def test_a_difference_that_may_be_chance_is_not_worse(
    store: ObjectStore, champions: Champions
) -> None:
    """One person of twelve is known less well."""
    told = answers(0.9)
    champions.release(told, "old")
    against = compare_with_release(store, index_of(store, without(told, "c-3", 5), "new"))
    assert differences(against)[0].difference == pytest.approx(-4 / 120)
    assert not against.worse
    assert describe(against).startswith(
        "On 120 held-out faces it is not shown to be worse than release 1: rank-1 -3.3 points"
    )


def test_whoever_loses_a_person_is_worse(store: ObjectStore, champions: Champions) -> None:
    """Draws of whole people do not show it: most of them miss the one."""
    told = answers(0.9)
    champions.release(told, "old")
    against = compare_with_release(store, index_of(store, without(told, "c-3", 1), "new"))
    assert not differences(against)[0].worse
    assert (against.lost, against.worse) == (("c-3",), True)
    assert describe(against).endswith("1 identities are not found any more.")


def test_a_network_that_fell_apart_is_worse_whatever_the_recogniser_finds(
    store: ObjectStore, champions: Champions
) -> None:
    champions.release(answers(1.0, alone=0.9), "old")
    against = compare_with_release(store, index_of(store, answers(1.0, alone=0.5), "new"))
    fused, alone = differences(against)
    assert fused.difference == 0
    assert alone.worse
    assert against.worse


def test_answers_of_an_earlier_version_do_as_well(store: ObjectStore, champions: Champions) -> None:
    """Of those the network's own are not known: it is the fused score that is compared."""
    told = {face: one[:2] for face, one in answers(0.9).items()}
    stored = put_file(store, layout.INDEXES, json.dumps(told).encode(), ".json")
    champions.append(answers=stored)
    against = compare_with_release(store, index_of(store, answers(0.9, alone=0.5), "new"))
    assert (against.faces, against.worse) == (PEOPLE * FACES, False)
    assert describe(against).endswith("rank-1 +0.0 points, 95% interval +0.0 to +0.0.")


def test_a_model_that_learnt_from_somebody_who_was_erased_is_no_champion(
    store: ObjectStore, champions: Champions
) -> None:
    """Whatever comes is better: it is to be replaced."""
    champions.release(answers(1.0), "old")
    assert in_production(store) is not None
    put_tombstone(store, UPLOAD, timedelta(days=1), "")
    assert in_production(store) is None
    assert compare_with_release(store, index_of(store, answers(0.1), "new")).nothing


def test_faces_that_only_one_was_asked_about_do_not_count(
    store: ObjectStore, champions: Champions
) -> None:
    champions.release({**answers(0.5), **answers(1.0, "another")}, "old")
    against = compare_with_release(
        store, index_of(store, {**answers(0.5), **answers(0.0, "new")}, "new")
    )
    assert (against.faces, differences(against)[0].difference) == (PEOPLE * FACES, 0.0)


def test_a_worse_one_is_said_to_be(store: ObjectStore, champions: Champions) -> None:
    champions.release(answers(1.0), "old")
    against = compare_with_release(store, index_of(store, answers(0.8), "new"))
    points = "-20.0 points, 95% interval -20.0 to -20.0"
    assert describe(against) == (
        f"On 120 held-out faces it is worse than release 1: rank-1 {points}; of the network alone "
        f"{points}."
    )


def ahead(margin: float, spread: float = 0.0) -> dict[str, HeldOutAnswer]:
    """Answers that are all right, so far ahead: the network's more so of some people."""
    return {
        face: one._replace(
            fused_margin=margin + spread * (number % 7 - 3),
            network_margin=margin + spread * (number % 5 - 2),
        )
        for number, (face, one) in enumerate(answers(1.0).items())
    }


def test_margins_show_a_loss_before_a_face_is_lost(
    store: ObjectStore, champions: Champions
) -> None:
    champions.release(ahead(1.0, 0.01), "old")
    against = compare_with_release(store, index_of(store, ahead(0.9), "new"))
    assert differences(against)[0].difference == 0
    assert {name: one.worse for name, one in against.margins.items()} == {
        "fused": True,
        "resnet": True,
    }
    assert against.worse
    assert "; margin -0.10, -0.10 to -0.10; margin of the network alone" in describe(against)
    harmless = compare_with_release(store, index_of(store, ahead(0.99), "another"))
    assert harmless.margins["fused"].high < 0, "it is less, and tolerated"
    assert not harmless.worse


def test_a_little_worse_each_time_is_worse_than_the_best_of_the_last(
    store: ObjectStore, champions: Champions
) -> None:
    best = champions.release(ahead(1.0), "first")
    champions.release(ahead(0.985), "second")
    third = index_of(store, ahead(0.97), "third")
    against = compare_with_release(store, third)
    assert (against.worse, against.best) == (True, best)
    assert describe(against).endswith(f"release {best} was better.")
    # What a person wanted all the same is where it begins.
    champions.append(basis="chosen", answers=put_answers(store, ahead(0.98)), override="why")
    assert not compare_with_release(store, third).worse


def space(directions: int = 128, people: int = 20) -> LikenessSpace:
    """A gallery of strangers of the cohort, in a metric that sees so many directions."""
    vectors = cohort_vectors(LIKENESS)
    metric = fit_metric(vectors)
    seen = (np.arange(128) < directions)[:, None]
    metric = LikenessMetric(metric.centre, metric.transform * seen)
    places = metric.place(vectors[1 : 2 * people : 2])
    named = {f"c-{number}": place for number, place in enumerate(places)}
    return make_space(metric, named, vectors, basis=cohort_fingerprint())


def test_a_release_that_serves_strangers_worse_is_worse(
    store: ObjectStore, champions: Champions
) -> None:
    def put(one: LikenessSpace) -> str:
        return put_file(store, layout.INDEXES, one.to_bytes(), ".safetensors")

    told = answers(1.0)
    champions.append(basis="old", answers=put_answers(store, told), likeness=put(space()))
    index = index_of(store, told, "new")
    same = compare_with_release(store, replace(index, likeness=put(space())))
    assert (same.worse, {one.difference for one in same.strangers.values()}) == (False, {0.0})
    spoilt = compare_with_release(store, replace(index, likeness=put(space(2))))
    assert spoilt.worse
    assert {name: one.worse for name, one in spoilt.strangers.items()} == {
        "again": True,
        "agreement": True,
    }
    assert "likeness of strangers as it truly is -0." in describe(spoilt)
    # Whoever joined since makes no difference: the same people are asked for.
    grown = compare_with_release(store, replace(index, likeness=put(space(people=60))))
    assert not grown.worse
    unlike = replace(space(2), basis="of another cohort")
    assert compare_with_release(store, replace(index, likeness=put(unlike))).strangers == {}


def test_without_a_release_there_is_nothing_to_compare(
    store: ObjectStore, champions: Champions
) -> None:
    challenger = index_of(store, answers(0.5), "new")
    assert compare_with_release(store, challenger) == Against(
        nothing="there is no release to compare with"
    )
    champions.release(answers(1.0), "old")
    releases(store).append(Withdrawn.because("somebody left"))
    assert compare_with_release(store, challenger) == Against(
        nothing="there is no release to compare with"
    )
    assert (
        describe(compare_with_release(store, challenger))
        == "Not compared: there is no release to compare with."
    )


@pytest.mark.parametrize("kept", ["nowhere", "gone"])
def test_answers_that_are_not_kept_are_not_compared(
    store: ObjectStore, champions: Champions, kept: str
) -> None:
    key = put_answers(store, answers(1.0))
    if kept == "gone":
        store.delete(key)
    champions.append(answers=key if kept == "gone" else "")
    against = compare_with_release(store, index_of(store, answers(0.1), "new"))
    assert against == Against(nothing="the release's answers are not kept")


def test_the_model_in_production_is_not_compared_with_itself(
    store: ObjectStore, champions: Champions
) -> None:
    champions.release(answers(1.0), "same")
    against = compare_with_release(store, index_of(store, answers(0.1), "same"))
    assert against == Against(nothing="it is the model in production")


def test_other_faces_are_not_compared(store: ObjectStore, champions: Champions) -> None:
    champions.release(answers(1.0), "old")
    against = compare_with_release(store, index_of(store, answers(0.1, "another"), "new"))
    assert against == Against(nothing="no held-out face was asked of both")


@pytest.mark.parametrize(
    ("recogniser", "against"),
    [
        ("bundled", "it is the model in production"),
        ("another", "no held-out face was asked of both"),
    ],
)
def test_a_release_without_a_basis_is_known_by_model_and_recogniser(
    store: ObjectStore, champions: Champions, recogniser: str, against: str
) -> None:
    """As an earlier version wrote it."""
    body = {**json.loads(example("Release-with_fusion")), "model": 1}
    body["answers"] = put_answers(store, answers(1.0))
    store.put_new(releases(store).key(1), json.dumps(body).encode())
    basis = fingerprint(body["model_fingerprint"], recogniser)
    index = index_of(store, answers(0.1, "another"), basis)
    assert compare_with_release(store, index) == Against(nothing=against)
