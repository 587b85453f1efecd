"""What a shard holds, and who is in a list of shards: nothing is copied to know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twin_matcher_dagster.dataset.schema import Face, Kind


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


def people_in(shards: Iterable[ShardEntry]) -> list[Identity]:
    """Everybody in some shards, by id; what is in two shards adds up."""
    people: dict[str, Identity] = {}
    for shard in shards:
        for person in shard.identities:
            known = people.get(person.identity_id)
            people[person.identity_id] = _add(known, person) if known else person
    return [people[who] for who in sorted(people)]


def _add(one: Identity, more: Identity) -> Identity:
    """An identity whose faces are in two shards."""
    splits = {*one.faces, *more.faces}
    faces = {split: one.faces.get(split, 0) + more.faces.get(split, 0) for split in sorted(splits)}
    return Identity(one.identity_id, one.label, one.kind, faces)
