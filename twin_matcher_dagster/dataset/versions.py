"""The data set and its versions: celebrities and accepted uploads, named and never copied.

A version is a small manifest. It names one version of the balanced celebrities, and the uploads
that are in by up to 256 lists, each a JSON object whose key is the hash of what it says: a Merkle
tree of two levels (Merkle 1987). To take an upload in, or out, one list and the manifest are
written anew, whatever else is there, and equal content has an equal fingerprint whichever way it
came about.

``user_faces`` notes each verdict under ``datasets/changes``; ``twin_dataset`` looks at what was
noted since, so neither asks about anybody who was there before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

from twin_matcher_dagster.dataset.schema import SPLITS, Face
from twin_matcher_dagster.dataset.shards import faces_in
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.lock import exclusive
from twin_matcher_dagster.storage.logs import balanced_versions, dataset_versions, verdicts
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion, Biography
from twin_matcher_dagster.storage.records.dataset import (
    EMPTY,
    Celebrities,
    DatasetVersion,
    Member,
    MemberList,
    decode_members,
    encode_members,
    list_of,
)
from twin_matcher_dagster.storage.records.parts import Identity, ShardEntry, people_in
from twin_matcher_dagster.storage.tombstones import get_tombstone


class Version:
    """One version of the data set; what is not asked for is not read.

    Args:
        store: the bucket.
        manifest: of the version.
    """

    def __init__(self, store: ObjectStore, manifest: Manifest[DatasetVersion]) -> None:
        self._store = store
        self.manifest = manifest
        self.number = manifest.number
        self.fingerprint = manifest.fingerprint
        self.record = manifest.record

    @cached_property
    def balanced(self) -> BalancedVersion:
        """The balanced celebrities."""
        return balanced_versions(self._store).read(self.record.balanced.number).record

    @property
    def celebrities(self) -> tuple[ShardEntry, ...]:
        """The shards of the celebrities, each of one split."""
        return self.balanced.shards

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The uploads that are in, by id."""
        lists = (read_list(self._store, one) for one in self.record.members.values())
        found = {who: member for one in lists for who, member in one.items()}
        return tuple(found[who] for who in sorted(found))

    @property
    def upload_ids(self) -> tuple[str, ...]:
        """Ids of the uploads that are in."""
        return tuple(member.upload_id for member in self.members)

    def changes_since(self, before: Version | None) -> tuple[dict[str, Member], set[str]]:
        """What came in and who left; lists that both versions share are not read.

        Returns:
            New members, or members with another shard, by upload id; and the ids that are gone.
        """
        old, new = (one.record.members if one else {} for one in (before, self))
        names = {name for name in {*old, *new} if old.get(name) != new.get(name)}
        was, now = (
            {
                upload_id: member
                for name in names & set(lists)
                for upload_id, member in read_list(self._store, lists[name]).items()
            }
            for lists in (old, new)
        )
        came = {who: member for who, member in now.items() if was.get(who) != member}
        return came, set(was) - set(now)

    @property
    def shards(self) -> tuple[ShardEntry, ...]:
        """All shards: the celebrities', then one an upload."""
        return (*self.celebrities, *(member.shard for member in self.members))

    def shards_of(self, people: Collection[str]) -> list[ShardEntry]:
        """The shards in which there are faces of these identities to learn from."""
        return [
            shard
            for shard in self.shards
            if any(one.faces.get("train") and one.identity_id in people for one in shard.identities)
        ]

    @cached_property
    def identities(self) -> list[Identity]:
        """Everybody who is in, by identity id."""
        return people_in(self.shards)

    @property
    def people(self) -> Mapping[str, Biography]:
        """Biographies of celebrities, by identity id, where the source has them."""
        return self.balanced.people

    def faces(self) -> Iterator[Face]:
        """All faces; one shard at a time is in memory."""
        return faces_in(self._store, self.shards)


def read_version(store: ObjectStore, number: int | None = None) -> Version:
    """A version of the data set, the newest by default.

    Raises:
        TwinMatcherError: there is none yet.
        ObjectMissingError: that version was never made, or is not kept any more.
    """
    log = dataset_versions(store)
    return Version(store, log.read(number) if number else log.existing_head())


def note_verdict(store: ObjectStore, upload_id: str, number: int) -> None:
    """Say that there is a new verdict on an upload, for the next version of the data set."""
    store.put_same(f"{layout.change_prefix(upload_id)}{number}.json", b"{}", "application/json")


def update_dataset(store: ObjectStore, *, everything: bool = False) -> Manifest[DatasetVersion]:
    """Make the version that follows from the newest celebrities and the verdicts noted since.

    Two at once both succeed, in some order: who is second begins again from the other's version.

    Args:
        store: the bucket.
        everything: look at all verdicts, not only at new ones. So it is done for a first version.

    Returns:
        The newest version's manifest: the one before, if nothing changed.

    Raises:
        TwinMatcherError: there are no balanced celebrities yet.
    """
    noted = list(store.list(f"{layout.CHANGES}/"))

    def make(head: Manifest[DatasetVersion] | None) -> DatasetVersion:
        before = head.record if head and not everything else EMPTY
        if before.balanced == EMPTY.balanced:
            changed = _all_uploads(store)
        else:
            changed = {_upload_of(key) for key in noted}
        members = {upload_id: _member(store, upload_id) for upload_id in changed}
        lists = _changed(store, before.members, members)
        return DatasetVersion.of(_celebrities(store, before.balanced), lists)

    # No erasure meanwhile: it would delete a list that the new version names.
    with exclusive(store, layout.DATASET_LOCK):
        manifest = dataset_versions(store).update(make)
    for key in noted:
        store.delete(key)
    return manifest


def without(store: ObjectStore, version: DatasetVersion, upload_id: str) -> DatasetVersion:
    """A version as it would be had an upload never been in."""
    return DatasetVersion.of(version.balanced, _changed(store, version.members, {upload_id: None}))


def read_list(store: ObjectStore, one: MemberList) -> dict[str, Member]:
    """The members of a list, by upload id."""
    return decode_members(store.get(one.key))


def _upload_of(change: str) -> str:
    return change.removeprefix(f"{layout.CHANGES}/").split(".")[0]


def _all_uploads(store: ObjectStore) -> set[str]:
    return {key.split("/")[1] for key in store.list("users/")}


def _member(store: ObjectStore, upload_id: str) -> Member | None:
    """What an upload is by its newest verdict; an erased one is nothing."""
    head = verdicts(store, upload_id).head()
    if head is None or head.record.shard is None or get_tombstone(store, upload_id):
        return None
    return Member(upload_id, head.record.shard, head.record.publication)


def _celebrities(store: ObjectStore, before: Celebrities) -> Celebrities:
    """The newest balanced celebrities in a few figures, which stay as they are until others come.

    Raises:
        TwinMatcherError: there are none yet.
    """
    log = balanced_versions(store)
    number = log.head_number()
    if number and number == before.number:
        return before
    balanced = log.existing_head()
    people = people_in(balanced.record.shards)
    return Celebrities(
        number=balanced.number,
        fingerprint=balanced.fingerprint,
        rows=balanced.record.rows,
        identities=len(people),
        splits={split: sum(one.faces.get(split, 0) for one in people) for split in SPLITS},
    )


def _changed(
    store: ObjectStore, lists: Mapping[str, MemberList], members: Mapping[str, Member | None]
) -> dict[str, MemberList]:
    """The lists after some uploads came in (a member) or left (None); others are not read."""
    result = dict(lists)
    for name in {list_of(upload_id) for upload_id in members}:
        found = read_list(store, lists[name]) if name in lists else {}
        for upload_id, member in members.items():
            if list_of(upload_id) == name:
                found.pop(upload_id, None)
                if member:
                    found[upload_id] = member
        result.pop(name, None)
        if found:
            result[name] = _write_list(store, found)
    return result


def _write_list(store: ObjectStore, members: Mapping[str, Member]) -> MemberList:
    data = encode_members(members)
    key = f"{layout.MEMBERS}/{hashlib.sha256(data).hexdigest()}.json"
    store.put_content(key, data, "application/json")
    return MemberList(key, len(members), sum(member.shard.rows for member in members.values()))
