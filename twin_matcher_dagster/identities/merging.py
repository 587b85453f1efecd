"""One data set out of celebrities and accepted uploads: a list of shards, nothing is copied."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twin_matcher_dagster.identities.schema import Face, Kind, fingerprint


@dataclass(frozen=True)
class Identity:
    """One person of a data set.

    Attributes:
        identity_id: the class.
        label: name for display.
        kind: celebrity or user.
        faces: how many, by split.
    """

    identity_id: str
    label: str
    kind: Kind
    faces: Mapping[str, int]


@dataclass(frozen=True)
class ShardEntry:
    """A shard that a data set names, and who is in it."""

    key: str
    sha256: str
    rows: int
    identities: tuple[Identity, ...]

    @classmethod
    def of(cls, key: str, sha256: str, faces: Sequence[Face]) -> ShardEntry:
        """Describe a shard that is being written."""
        counts: dict[str, dict[str, int]] = {}
        first: dict[str, Face] = {}
        for face in faces:
            first.setdefault(face.identity_id, face)
            splits = counts.setdefault(face.identity_id, {})
            splits[face.split] = splits.get(face.split, 0) + 1
        identities = tuple(
            Identity(who, first[who].label, first[who].kind, counts[who]) for who in counts
        )
        return cls(key, sha256, len(faces), identities)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> ShardEntry:
        """Read what :meth:`as_dict` made."""
        people = tuple(Identity(**identity) for identity in body["identities"])
        return cls(body["key"], body["sha256"], body["rows"], people)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a manifest."""
        return asdict(self)


def merge(
    celebrities: Sequence[ShardEntry],
    users: Sequence[ShardEntry],
    about: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The body of a data set's manifest.

    Args:
        celebrities: shards of the balanced celebrities.
        users: shards of accepted uploads.
        about: biographies (see people.py) by identity id; users have none.

    The order is fixed, so that the same shards give the same fingerprint, whichever upload was
    looked at first, and a shard that is named twice counts once.
    """
    shards = {shard.sha256: shard for shard in [*celebrities, *users]}
    ordered = sorted(shards.values(), key=lambda shard: shard.sha256)
    people: dict[str, Identity] = {}
    for shard in ordered:
        for person in shard.identities:
            known = people.get(person.identity_id)
            people[person.identity_id] = _add(known, person) if known else person
    told = {who: about[who] for who in sorted(people) if about and who in about}
    return {
        "fingerprint": fingerprint(
            json.dumps(told, sort_keys=True), *(shard.sha256 for shard in ordered)
        ),
        "rows": sum(shard.rows for shard in ordered),
        "shards": [shard.as_dict() for shard in ordered],
        "identities": [
            {**asdict(people[who]), "about": told.get(who, {})} for who in sorted(people)
        ],
    }


def _add(one: Identity, more: Identity) -> Identity:
    """An identity whose faces are in two shards."""
    splits = {*one.faces, *more.faces}
    faces = {split: one.faces.get(split, 0) + more.faces.get(split, 0) for split in sorted(splits)}
    return Identity(one.identity_id, one.label, one.kind, faces)
