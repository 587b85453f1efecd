"""Merging: a list of shards that says the same in whichever order they are looked at."""

from __future__ import annotations

import json
from collections import Counter

from pydantic import TypeAdapter

from twin_matcher_dagster.dataset.schema import Face, Split, write_shard
from twin_matcher_dagster.dataset.shards import describe_shard
from twin_matcher_dagster.storage.records.parts import ShardEntry, people_in


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
    return describe_shard(f"shards/{shard.sha256}", shard.sha256, faces)


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


def test_people_in_several_shards_add_up() -> None:
    people = {person.identity_id: person for person in people_in([*CELEBRITIES, *USERS])}
    assert list(people) == ["c-1", "c-2", "u-1", "u-2"]
    assert people["c-1"].faces == {"train": 6, "validation": 4, "test": 2}
    assert people["u-1"].label == people["c-1"].label == "Ana"
    assert people["u-1"].kind == "user"
    assert people_in([]) == []


def test_a_shard_entry_survives_a_manifest() -> None:
    told = TypeAdapter(ShardEntry)
    for shard in [*CELEBRITIES, *USERS]:
        body = json.dumps(told.dump_python(shard, mode="json"))
        assert told.validate_python(json.loads(body)) == shard


def test_a_shard_of_several_people() -> None:
    faces = [Face(b"1", who, who, "celebrity", "", "train") for who in ("b", "a", "b")]
    shard = describe_shard("key", "sha", faces)
    assert Counter({p.identity_id: p.faces["train"] for p in shard.identities}) == {"b": 2, "a": 1}
