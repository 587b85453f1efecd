"""Which assets are behind, link by link."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from twin_matcher_dagster.reconciliation.chain import (
    BalancedFact,
    Chain,
    DatasetFact,
    IndexFact,
    ModelFact,
    ReleaseFact,
    needs_of,
)

DAWN = datetime(2026, 11, 27, tzinfo=timezone.utc)


def at(minute: float) -> datetime:
    return DAWN + timedelta(minutes=minute)


CONTENT = ("basis", "gallery")
WHOLE = Chain(
    raw=(1, at(0)),
    balanced=BalancedFact(at(1), "b1", raw=1),
    dataset=DatasetFact(at(2), "d1", "b1", "ana", "learnt d1"),
    training_due=at(3),
    model=ModelFact(at(4), "m1", "b1", ""),
    index=IndexFact(at(5), "i1", CONTENT, "m1", "ana"),
    release=ReleaseFact(at(6), CONTENT, by_hand=False, number=3),
    paired=3,
)


def behind(chain: Chain, **noted: datetime) -> list[str]:
    """The assets that are, each with what it waits for."""
    return [
        f"{need.asset} waits for {need.waits_for}" if need.waits_for else need.asset
        for need in needs_of(chain, noted)
    ]


def test_nothing_is_missing_where_all_is_of_the_newest() -> None:
    assert behind(WHOLE) == []
    assert behind(Chain()) == []


CASES = {
    "read anew": (replace(WHOLE, raw=(2, at(9))), ["balanced_faces"]),
    "only read": (Chain(raw=(1, at(0))), ["balanced_faces"]),
    "other celebrities": (
        replace(WHOLE, balanced=BalancedFact(at(9), "b2", raw=1)),
        ["twin_dataset"],
    ),
    "no data set": (Chain(balanced=WHOLE.balanced), ["twin_dataset"]),
    "no model": (
        Chain(balanced=WHOLE.balanced, dataset=WHOLE.dataset),
        ["retraining", "face_index waits for the first training"],
    ),
    "training due": (replace(WHOLE, training_due=at(9)), ["twin_model"]),
    "due in the second of the last model": (replace(WHOLE, training_due=at(4)), ["twin_model"]),
    "somebody new": (
        replace(WHOLE, dataset=DatasetFact(at(9), "d2", "b1", "ana ben", "learnt d2")),
        ["face_index"],
    ),
    "made again, and the same": (
        replace(WHOLE, dataset=DatasetFact(at(9), "d2", "b1", "ana", "learnt d2")),
        [],
    ),
    "another model": (
        replace(WHOLE, model=ModelFact(at(9), "m2", "b1", "")),
        ["face_index"],
    ),
    "another index": (
        replace(WHOLE, index=IndexFact(at(9), "i2", ("basis", "other"), "m1", "ana")),
        ["production_release"],
    ),
    "another release": (
        replace(WHOLE, release=ReleaseFact(at(9), CONTENT, by_hand=False, number=4)),
        ["twin_pairs"],
    ),
    "never compared": (replace(WHOLE, paired=None), ["twin_pairs"]),
    "withdrawn": (
        replace(WHOLE, release=ReleaseFact(at(9), (), by_hand=False)),
        ["production_release"],
    ),
    "a model of other celebrities": (
        replace(
            WHOLE,
            balanced=BalancedFact(at(9), "b2", raw=1),
            dataset=DatasetFact(at(9), "d2", "b2", "ana ben", "learnt d2"),
            model=ModelFact(at(4), "m2", "b1", ""),
        ),
        ["retraining", "face_index waits for a training on the celebrities"],
    ),
    "what it would learn gave a worse model": (
        replace(
            WHOLE,
            balanced=BalancedFact(at(9), "b2", raw=1),
            dataset=DatasetFact(at(9), "d2", "b2", "ana", "learnt d2"),
            model=ModelFact(at(10), "m1", "b1", refused="learnt d2"),
        ),
        [],
    ),
    "it learnt from somebody who was erased": (
        replace(
            WHOLE,
            model=ModelFact(at(4), "m1", "b1", "", erased_since=at(9)),
            release=ReleaseFact(at(9), (), by_hand=False),
        ),
        ["retraining", "production_release waits for a training without those who were erased"],
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_what_is_behind_is_named(name: str) -> None:
    chain, expected = CASES[name]
    assert behind(chain) == expected


def test_verdicts_wait_for_the_data_set_since_the_first() -> None:
    assert behind(WHOLE, a=at(8), b=at(7)) == ["twin_dataset"]
    (need,) = needs_of(WHOLE, {"a": at(8), "b": at(7)})
    assert (need.since, need.why) == (at(7), "new verdicts: 2")
    assert need.gate == ("balanced_faces", "b1")


def test_a_first_index_waits_for_its_model_alone() -> None:
    """Its data set is older: with it as a cause the index would be made beside the automation's."""
    (need, *_) = needs_of(replace(WHOLE, index=None, release=None), {})
    assert [cause.asset for cause in need.causes] == ["twin_model"]


def test_what_a_person_chose_stays_until_something_newer_comes() -> None:
    """After a rollback the newest index and, made the newest again, the model are others."""
    back = replace(
        WHOLE,
        model=ModelFact(at(9), "m0", "b1", ""),
        release=ReleaseFact(at(9), ("basis", "earlier"), by_hand=True, number=3),
    )
    assert behind(back) == []
    somebody = replace(back, dataset=DatasetFact(at(10), "d2", "b1", "ana ben", "learnt d2"))
    assert behind(somebody) == ["face_index"]
    indexed = IndexFact(at(11), "i2", ("basis", "new"), "m0", "ana ben")
    assert behind(replace(somebody, index=indexed)) == ["production_release"]
