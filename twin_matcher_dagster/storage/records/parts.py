"""Parts of records: who is in a shard, and files by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["celebrity", "user"]


def user_id(upload_id: str) -> str:
    """The identity behind an upload. The typed name has no part in it: it proves nothing."""
    return f"u-{upload_id}"


def person_of(upload_id: str) -> str:
    """The mark of whoever handed in an upload first: SHA-256 of its id, 64 hexadecimal digits.

    Uploads of one person have one mark. It names nobody, and stays when the first one is erased.
    """
    return hashlib.sha256(upload_id.encode()).hexdigest()


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
class RawShard:
    """A shard of raw faces: key, SHA-256 and rows."""

    key: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class ShardEntry:
    """A shard that a record names, and who is in it."""

    key: str
    sha256: str
    rows: int
    identities: tuple[Identity, ...]


@dataclass(frozen=True)
class FileEntry:
    """A file of a model folder: its name there, its key, SHA-256 and size in bytes."""

    name: str
    key: str
    sha256: str
    bytes: int


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
