"""A challenger against the release, on answers that are kept in a bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from twin_matcher_dagster.champion import compared, reason
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import ManifestLog
from twin_matcher_dagster.storage.models import put_file
from twin_matcher_dagster.storage.object_store import ObjectStore

PEOPLE, FACES = 12, 10


def answers(right: float, name: str = "face") -> dict[str, tuple[str, bool]]:
    """Answers on ten faces of each of twelve people, of which so many are right."""
    return {
        f"{name} {who} {number}": (f"c-{who}", number < right * FACES)
        for who in range(PEOPLE)
        for number in range(FACES)
    }


def body_of(store: ObjectStore, told: Mapping[str, Any], model: str) -> dict[str, Any]:
    """What an index's manifest and a release's say of a model."""
    key = put_file(store, layout.INDEXES, json.dumps(told).encode(), ".json")
    return {"model_fingerprint": model, "answers": key, "fingerprint": f"{model} {key}"}


@pytest.fixture
def releases(store: ObjectStore) -> ManifestLog:
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
    against = compared(store, body_of(store, answers(challenger), "new"))
    assert (against["release"], against["faces"]) == (number, PEOPLE * FACES)
    assert against["difference"] == pytest.approx(difference)
    assert against["low"] <= against["difference"] <= against["high"]
    assert against["worse"] is worse
    assert json.loads(json.dumps(against)) == against  # it goes into a manifest


def test_a_difference_that_may_be_chance_is_not_worse(
    store: ObjectStore, releases: ManifestLog
) -> None:
    """One person of twelve is known less well."""
    told = answers(0.9)
    releases.append(body_of(store, told, "old"))
    wrong = {face: (who, right and who != "c-3") for face, (who, right) in told.items()}
    against = compared(store, body_of(store, wrong, "new"))
    assert against["difference"] == pytest.approx(-9 / 120)
    assert not against["worse"]
    assert reason(against).startswith(
        "On 120 held-out faces it is not shown to be worse than release 1: rank-1 -7.5 points"
    )


def test_faces_that_only_one_was_asked_about_do_not_count(
    store: ObjectStore, releases: ManifestLog
) -> None:
    releases.append(body_of(store, {**answers(0.5), **answers(1.0, "another")}, "old"))
    against = compared(store, body_of(store, {**answers(0.5), **answers(0.0, "new")}, "new"))
    assert (against["faces"], against["difference"]) == (PEOPLE * FACES, 0.0)


def test_a_worse_one_is_said_to_be(store: ObjectStore, releases: ManifestLog) -> None:
    releases.append(body_of(store, answers(1.0), "old"))
    against = compared(store, body_of(store, answers(0.8), "new"))
    assert reason(against) == (
        "On 120 held-out faces it is worse than release 1: rank-1 -20.0 points, 95% interval "
        "-20.0 to -20.0."
    )


def test_without_a_release_there_is_nothing_to_compare(
    store: ObjectStore, releases: ManifestLog
) -> None:
    challenger = body_of(store, answers(0.5), "new")
    assert compared(store, challenger) == {"nothing": "there is no release yet"}
    releases.append({**body_of(store, answers(1.0), "old"), "withdrawn": "somebody left"})
    assert compared(store, challenger) == {"nothing": "there is no release yet"}
    assert reason(compared(store, challenger)) == "Not compared: there is no release yet."


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
    against = compared(store, body_of(store, answers(0.1), "new"))
    assert against == {"nothing": "the release's answers are not kept"}


def test_the_model_in_production_is_not_compared_with_itself(
    store: ObjectStore, releases: ManifestLog
) -> None:
    releases.append(body_of(store, answers(1.0), "same"))
    against = compared(store, body_of(store, answers(0.1), "same"))
    assert against == {"nothing": "it is the model in production"}


def test_other_faces_are_not_compared(store: ObjectStore, releases: ManifestLog) -> None:
    releases.append(body_of(store, answers(1.0), "old"))
    against = compared(store, body_of(store, answers(0.1, "another"), "new"))
    assert against == {"nothing": "no held-out face was asked of both"}
