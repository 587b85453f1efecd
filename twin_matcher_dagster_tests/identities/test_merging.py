"""Merging: a list of shards that says the same in whichever order they are looked at."""

from __future__ import annotations

import json
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from twin_matcher_dagster.identities.merging import ShardEntry, merge
from twin_matcher_dagster.identities.schema import Face, Split, write_shard


def entry(who: str, label: str, splits: dict[Split, int], kind: str = "celebrity") -> ShardEntry:
    faces = [
        Face(
            f"{who} {split} {n}".encode(),
            label,
            who,
            "user" if kind == "user" else "celebrity",
            "",
            split,
        )
        for split, count in splits.items()
        for n in range(count)
    ]
    shard = write_shard(faces)
    return ShardEntry.of(f"shards/{shard.sha256}", shard.sha256, faces)


CELEBRITIES = [
    entry("c-1", "Ana", {"train": 5, "test": 2}),
    entry("c-2", "Bob", {"train": 3}),
    entry("c-1", "Ana", {"validation": 4, "train": 1}),
]
USERS = [entry("u-1", "Ana", {"train": 6}, "user"), entry("u-2", "Zoë", {"train": 7}, "user")]


def test_a_shard_says_who_is_in_it() -> None:
    first = CELEBRITIES[0]
    assert first.rows == 7
    (ana,) = first.identities
    assert (ana.identity_id, ana.label, ana.kind) == ("c-1", "Ana", "celebrity")
    assert ana.faces == {"train": 5, "test": 2}


def test_a_data_set_adds_up() -> None:
    body = merge(CELEBRITIES, USERS)
    assert body["rows"] == 28
    people = {person["identity_id"]: person for person in body["identities"]}
    assert list(people) == ["c-1", "c-2", "u-1", "u-2"]
    assert people["c-1"]["faces"] == {"train": 6, "validation": 4, "test": 2}
    assert people["u-1"]["label"] == people["c-1"]["label"] == "Ana"
    assert people["u-1"]["kind"] == "user"
    assert {shard["key"] for shard in body["shards"]} == {e.key for e in [*CELEBRITIES, *USERS]}


@given(seed=st.integers(0, 1000), doubled=st.integers(0, 3))
def test_order_and_doubled_shards_do_not_matter(seed: int, doubled: int) -> None:
    """The system this one re-imagines appended the same uploads again at every run."""
    shuffle = random.Random(seed)  # noqa: S311 - an order, not a secret
    celebrities = [*CELEBRITIES, *shuffle.choices(CELEBRITIES, k=doubled)]
    users = [*USERS, *shuffle.choices(USERS, k=doubled)]
    shuffle.shuffle(celebrities)
    shuffle.shuffle(users)
    assert merge(celebrities, users) == merge(CELEBRITIES, USERS)


def test_another_shard_is_another_data_set() -> None:
    prints = [
        merge(CELEBRITIES, users)["fingerprint"] for users in ([], USERS[:1], USERS[1:], USERS)
    ]
    assert len(set(prints)) == 4


def test_a_person_who_is_left_out_is_gone() -> None:
    body = merge(CELEBRITIES, USERS[:1])
    assert "u-2" not in json.dumps(body)
    assert merge([], [])["identities"] == []


def test_biographies_are_told_of_those_who_are_in() -> None:
    about = {"c-1": {"age": 41}, "c-9": {"age": 50}}
    body = merge(CELEBRITIES, USERS, about)
    assert {p["identity_id"]: p["about"] for p in body["identities"] if p["about"]} == {
        "c-1": {"age": 41}
    }
    assert body["fingerprint"] != merge(CELEBRITIES, USERS)["fingerprint"]


def test_a_shard_entry_survives_a_manifest() -> None:
    for shard in [*CELEBRITIES, *USERS]:
        assert ShardEntry.from_dict(json.loads(json.dumps(shard.as_dict()))) == shard


def test_a_shard_of_several_people() -> None:
    faces = [Face(b"1", who, who, "celebrity", "", "train") for who in ("b", "a", "b")]
    shard = ShardEntry.of("key", "sha", faces)
    assert Counter({p.identity_id: p.faces["train"] for p in shard.identities}) == {"b": 2, "a": 1}
