"""A challenger against the release, on answers that are kept in a bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from twin_matcher_dagster.release.promotion import compare_with_release, describe, in_production
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import put_tombstone

PEOPLE, FACES = 12, 10
UPLOAD = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def answers(
    right: float, name: str = "face", alone: float | None = None
) -> dict[str, tuple[str, bool, bool]]:
    """Answers on ten faces of each of twelve people, of which so many are right.

    The network ``alone`` finds as many, or its own share.
    """
    by_network = right if alone is None else alone
    return {
        f"{name} {who} {number}": (f"c-{who}", number < right * FACES, number < by_network * FACES)
        for who in range(PEOPLE)
        for number in range(FACES)
    }


def body_of(store: ObjectStore, told: Mapping[str, Any], model: str) -> dict[str, Any]:
    """What an index's manifest and a release's say of a model."""
    key = put_file(store, layout.INDEXES, json.dumps(told).encode(), ".json")
    return {"basis": model, "model": 1, "answers": key, "fingerprint": f"{model} {key}"}


@pytest.fixture
def releases(store: ObjectStore) -> ManifestLog:
    """The log of releases; their model learnt from one upload."""
    models = ManifestLog(store, layout.log(layout.MODELS))
    models.append({"fingerprint": "model", "uploads": [UPLOAD]})
    return ManifestLog(store, layout.log(layout.RELEASES))


@pytest.mark.parametrize(
    ("champion", "challenger", "difference", "worse"),
    [(0.9, 0.5, -0.4, True), (0.5, 0.9, 0.4, False), (0.9, 0.9, 0.0, False)],
)
def test_the_same_faces_are_compared(
    store: ObjectStore,
    releases: ManifestLog,
    champion: float,
    challenger: float,
    difference: float,
    worse: bool,
) -> None:
    releases.append(body_of(store, answers(0.0), "long ago"))
    number = releases.append(body_of(store, answers(champion), "old")).number
    against = compare_with_release(store, body_of(store, answers(challenger), "new"))
    assert (against["release"], against["faces"]) == (number, PEOPLE * FACES)
    for told in (against["fused"], against["resnet"]):
        assert told["difference"] == pytest.approx(difference)
        assert told["low"] <= told["difference"] <= told["high"]
    assert against["worse"] is worse
    assert json.loads(json.dumps(against)) == against  # it goes into a manifest


def without(
    told: Mapping[str, tuple[str, bool, bool]], person: str, still_found: int
) -> dict[str, tuple[str, bool, bool]]:
    """The same answers, of which those on one person are right for so many faces only."""
    gone = [face for face, (who, *_) in told.items() if who == person][still_found:]
    return {
        face: (who, fused and face not in gone, alone and face not in gone)
        for face, (who, fused, alone) in told.items()
    }


def test_a_difference_that_may_be_chance_is_not_worse(
    store: ObjectStore, releases: ManifestLog
) -> None:
    """One person of twelve is known less well."""
    told = answers(0.9)
    releases.append(body_of(store, told, "old"))
    against = compare_with_release(store, body_of(store, without(told, "c-3", 5), "new"))
    assert against["fused"]["difference"] == pytest.approx(-4 / 120)
    assert not against["worse"]
    assert describe(against).startswith(
        "On 120 held-out faces it is not shown to be worse than release 1: rank-1 -3.3 points"
    )


def test_whoever_loses_a_person_is_worse(store: ObjectStore, releases: ManifestLog) -> None:
    """Draws of whole people do not show it: most of them miss the one."""
    told = answers(0.9)
    releases.append(body_of(store, told, "old"))
    against = compare_with_release(store, body_of(store, without(told, "c-3", 1), "new"))
    assert not against["fused"]["worse"]
    assert (against["lost"], against["worse"]) == (["c-3"], True)
    assert describe(against).endswith("1 identities are not found any more.")


def test_a_network_that_fell_apart_is_worse_whatever_the_recogniser_finds(
    store: ObjectStore, releases: ManifestLog
) -> None:
    releases.append(body_of(store, answers(1.0, alone=0.9), "old"))
    against = compare_with_release(store, body_of(store, answers(1.0, alone=0.5), "new"))
    assert against["fused"]["difference"] == 0
    assert against["resnet"]["worse"]
    assert against["worse"]


def test_answers_of_an_earlier_version_do_as_well(
    store: ObjectStore, releases: ManifestLog
) -> None:
    """Of those the network's own are not known: it is the fused score that is compared."""
    told = {face: [who, right] for face, (who, right, _) in answers(0.9).items()}
    releases.append(body_of(store, told, "old"))
    against = compare_with_release(store, body_of(store, answers(0.9, alone=0.5), "new"))
    assert (against["faces"], against["worse"]) == (PEOPLE * FACES, False)
    assert describe(against).endswith("rank-1 +0.0 points, 95% interval +0.0 to +0.0.")


def test_a_model_that_learnt_from_somebody_who_was_erased_is_no_champion(
    store: ObjectStore, releases: ManifestLog
) -> None:
    """Whatever comes is better: it is to be replaced."""
    releases.append(body_of(store, answers(1.0), "old"))
    assert in_production(store) is not None
    store.put_new(layout.face(UPLOAD, 0), b"a face")
    put_tombstone(store, UPLOAD, timedelta(days=1))
    assert in_production(store) is None
    assert "nothing" in compare_with_release(store, body_of(store, answers(0.1), "new"))


def test_faces_that_only_one_was_asked_about_do_not_count(
    store: ObjectStore, releases: ManifestLog
) -> None:
    releases.append(body_of(store, {**answers(0.5), **answers(1.0, "another")}, "old"))
    against = compare_with_release(
        store, body_of(store, {**answers(0.5), **answers(0.0, "new")}, "new")
    )
    assert (against["faces"], against["fused"]["difference"]) == (PEOPLE * FACES, 0.0)


def test_a_worse_one_is_said_to_be(store: ObjectStore, releases: ManifestLog) -> None:
    releases.append(body_of(store, answers(1.0), "old"))
    against = compare_with_release(store, body_of(store, answers(0.8), "new"))
    points = "-20.0 points, 95% interval -20.0 to -20.0"
    assert describe(against) == (
        f"On 120 held-out faces it is worse than release 1: rank-1 {points}; of the network alone "
        f"{points}."
    )


def test_without_a_release_there_is_nothing_to_compare(
    store: ObjectStore, releases: ManifestLog
) -> None:
    challenger = body_of(store, answers(0.5), "new")
    assert compare_with_release(store, challenger) == {
        "nothing": "there is no release to compare with"
    }
    releases.append({**body_of(store, answers(1.0), "old"), "withdrawn": "somebody left"})
    assert compare_with_release(store, challenger) == {
        "nothing": "there is no release to compare with"
    }
    assert (
        describe(compare_with_release(store, challenger))
        == "Not compared: there is no release to compare with."
    )


@pytest.mark.parametrize("kept", ["nowhere", "gone"])
def test_answers_that_are_not_kept_are_not_compared(
    store: ObjectStore, releases: ManifestLog, kept: str
) -> None:
    body = body_of(store, answers(1.0), "old")
    if kept == "gone":
        store.delete(body["answers"])
    else:
        del body["answers"]
    releases.append(body)
    against = compare_with_release(store, body_of(store, answers(0.1), "new"))
    assert against == {"nothing": "the release's answers are not kept"}


def test_the_model_in_production_is_not_compared_with_itself(
    store: ObjectStore, releases: ManifestLog
) -> None:
    releases.append(body_of(store, answers(1.0), "same"))
    against = compare_with_release(store, body_of(store, answers(0.1), "same"))
    assert against == {"nothing": "it is the model in production"}


def test_other_faces_are_not_compared(store: ObjectStore, releases: ManifestLog) -> None:
    releases.append(body_of(store, answers(1.0), "old"))
    against = compare_with_release(store, body_of(store, answers(0.1, "another"), "new"))
    assert against == {"nothing": "no held-out face was asked of both"}
