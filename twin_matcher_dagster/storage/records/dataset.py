"""A version of the data set, and the lists of uploads that it names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.encoding import encode, parse_json
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.parts import ShardEntry
from twin_matcher_dagster.storage.records.record import REPAIR, Record


@dataclass(frozen=True)
class Celebrities:
    """The balanced celebrities of a version in a few figures.

    Attributes:
        number, fingerprint: of the balanced version; number 0 is none.
        rows, identities: how many faces and people.
        splits: faces by split.
    """

    number: int
    fingerprint: str
    rows: int
    identities: int
    splits: Mapping[str, int]


@dataclass(frozen=True)
class MemberList:
    """One of 256 lists of uploads that are in: its key, and how many uploads and faces it has."""

    key: str
    uploads: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class DatasetVersion(Record):
    """Who is in the data set.

    Attributes:
        balanced: the celebrities.
        members: name of a list -> the list; see :func:`list_of`.
        rows, users, identities: how many faces, uploads and people.
        splits: faces by split.
    """

    balanced: Celebrities
    members: Mapping[str, MemberList]
    rows: int
    users: int
    identities: int
    splits: Mapping[str, int]

    @classmethod
    def of(cls, balanced: Celebrities, members: Mapping[str, MemberList]) -> DatasetVersion:
        """The version of some celebrities and lists; equal ones have one fingerprint."""
        users = sum(one.uploads for one in members.values())
        rows = sum(one.rows for one in members.values())
        splits = dict(balanced.splits)
        splits["train"] = splits.get("train", 0) + rows  # an upload is for training, whole
        return cls(
            fingerprint=fingerprint(
                balanced.fingerprint, *(one.key for _, one in sorted(members.items()))
            ),
            balanced=balanced,
            members=members,
            rows=balanced.rows + rows,
            users=users,
            identities=balanced.identities + users,
            splits=splits,
        )

    def stands_on(self) -> Mapping[str, int]:
        """The balanced celebrities."""
        return {layout.BALANCED: self.balanced.number}


EMPTY = DatasetVersion.of(Celebrities(0, "", 0, 0, {}), {})
"""Nobody is in it: what the first version follows on."""


@dataclass(frozen=True)
class Member:
    """An accepted upload as a part of the data set.

    Attributes:
        upload_id: which.
        shard: its faces.
        publication: whether its person agreed to being published on the Hub.
    """

    upload_id: str
    shard: ShardEntry
    publication: bool


@dataclass(frozen=True)
class _ListedMember:
    """A member as it stands in a list, under its upload id."""

    shard: ShardEntry
    publication: bool


_LIST = TypeAdapter(dict[str, _ListedMember])


def list_of(upload_id: str) -> str:
    """Name of the list, of 256, that an upload is in: ``00`` to ``ff``."""
    return hashlib.sha256(upload_id.encode()).hexdigest()[:2]


def encode_members(members: Mapping[str, Member]) -> bytes:
    """A list of uploads as JSON; equal lists give equal bytes, and so one key."""
    listed = {who: _ListedMember(one.shard, one.publication) for who, one in members.items()}
    return encode(_LIST.dump_python(listed, mode="json"))


def decode_members(data: bytes) -> dict[str, Member]:
    """What :func:`encode_members` made, by upload id.

    Raises:
        RecordError: it is no list of members.
    """
    try:
        listed = _LIST.validate_python(parse_json(data))
    except (RecordError, ValidationError) as error:
        raise RecordError(f"A list of members cannot be read. {REPAIR}") from error
    return {
        upload_id: Member(upload_id, one.shard, one.publication)
        for upload_id, one in listed.items()
    }
