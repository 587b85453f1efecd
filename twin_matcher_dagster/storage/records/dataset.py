"""A version of the data set, and the lists of uploads that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import TypeAdapter, ValidationError

from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.encoding import encode, parse_json
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.parts import ShardEntry, person_of
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
    """One of 256 lists of uploads that are in.

    Attributes:
        key: of the list.
        uploads, rows: how many uploads and faces it has.
        other_clips, held_out: how many of them are other clips of people who are in by an earlier
            one: uploads and faces.
    """

    key: str
    uploads: int
    rows: int
    other_clips: int
    held_out: int

    @classmethod
    def of(cls, key: str, members: Mapping[str, Member]) -> MemberList:
        """What a list says, in figures."""
        known = enrolled_among(members).values()
        rows = sum(member.shard.rows for member in members.values())
        return cls(
            key=key,
            uploads=len(members),
            rows=rows,
            other_clips=len(members) - len(known),
            held_out=rows - sum(member.shard.rows for member in known),
        )


@dataclass(frozen=True, kw_only=True)
class DatasetVersion(Record):
    """Who is in the data set.

    Attributes:
        balanced: the celebrities.
        members: name of a list -> the list; see :func:`list_of`.
        rows, users, identities: how many faces, users and people.
        splits: faces by split.
    """

    schema: ClassVar[int] = 4

    balanced: Celebrities
    members: Mapping[str, MemberList]
    rows: int
    users: int
    identities: int
    splits: Mapping[str, int]

    @classmethod
    def of(cls, balanced: Celebrities, members: Mapping[str, MemberList]) -> DatasetVersion:
        """The version of some celebrities and lists; equal ones have one fingerprint."""
        users = sum(one.uploads - one.other_clips for one in members.values())
        rows = sum(one.rows for one in members.values())
        held_out = sum(one.held_out for one in members.values())
        splits = dict(balanced.splits)
        # An upload is for training, whole; or held out, whole.
        splits["train"] = splits.get("train", 0) + rows - held_out
        if held_out:
            splits["test"] = splits.get("test", 0) + held_out
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
        person: mark of whose it is, see :func:`~.parts.person_of`.
    """

    upload_id: str
    shard: ShardEntry
    publication: bool
    person: str

    @property
    def is_first(self) -> bool:
        """Whether its person had handed in none before."""
        return self.person == person_of(self.upload_id)


@dataclass(frozen=True)
class _ListedMember:
    """A member as it stands in a list, under its upload id; a person of its own is not said."""

    shard: ShardEntry
    publication: bool
    person: str = ""


_LIST = TypeAdapter(dict[str, _ListedMember])


def list_of(person: str) -> str:
    """Name of the list, of 256, that all uploads of a person are in: ``00`` to ``ff``."""
    return person[:2]


def enrolled_among(members: Mapping[str, Member]) -> dict[str, Member]:
    """The one upload by which each person is known: the first, or else the earliest that is in.

    Args:
        members: some lists, by upload id.

    Returns:
        By the person's mark.
    """
    found: dict[str, Member] = {}
    for _, member in sorted(members.items()):
        if member.is_first or member.person not in found:
            found[member.person] = member
    return found


def encode_members(members: Mapping[str, Member]) -> bytes:
    """A list of uploads as JSON; equal lists give equal bytes, and so one key."""
    listed = {
        who: _ListedMember(one.shard, one.publication, "" if one.is_first else one.person)
        for who, one in members.items()
    }
    return encode(_LIST.dump_python(listed, mode="json", exclude_defaults=True))


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
        upload_id: Member(upload_id, one.shard, one.publication, one.person or person_of(upload_id))
        for upload_id, one in listed.items()
    }
