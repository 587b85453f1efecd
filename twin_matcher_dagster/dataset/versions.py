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
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from twin_matcher_dagster.dataset.schema import SPLITS, Face, fingerprint, read_shard
from twin_matcher_dagster.dataset.shards import Identity, ShardEntry, people_in
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.lock import exclusive
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog, encode
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone


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

    @classmethod
    def of_verdict(cls, verdict: Mapping[str, Any]) -> Member | None:
        """The member that a verdict of ``user_faces`` makes; None where it is not accepted."""
        if not verdict["accepted"]:
            return None
        (shard,) = verdict["shards"]
        return cls(verdict["upload_id"], ShardEntry.from_dict(shard), verdict["publication"])


class Version:
    """One version of the data set; what is not asked for is not read.

    Args:
        store: the bucket.
        manifest: of the version.
    """

    def __init__(self, store: ObjectStore, manifest: Manifest) -> None:
        self._store = store
        self.number = manifest.number
        self.fingerprint = manifest.fingerprint
        self.body = manifest.body

    @cached_property
    def _balanced(self) -> Mapping[str, Any]:
        log = ManifestLog(self._store, layout.log(layout.BALANCED))
        return log.read(self.body["balanced"]["number"]).body

    @cached_property
    def celebrities(self) -> tuple[ShardEntry, ...]:
        """The shards of the celebrities, each of one split."""
        return tuple(ShardEntry.from_dict(shard) for shard in self._balanced["shards"])

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The uploads that are in, by id."""
        lists = (_read_list(self._store, one) for one in self.body["members"].values())
        found = {who: member for one in lists for who, member in one.items()}
        return tuple(found[who] for who in sorted(found))

    def changes_since(self, before: Version | None) -> tuple[dict[str, Member], set[str]]:
        """What came in and who left; lists that both versions share are not read.

        Returns:
            New members, or members with another shard, by upload id; and the ids that are gone.
        """
        old, new = (one.body["members"] if one else {} for one in (before, self))
        names = {name for name in {*old, *new} if old.get(name) != new.get(name)}
        was, now = (
            {
                upload_id: member
                for name in names & set(lists)
                for upload_id, member in _read_list(self._store, lists[name]).items()
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
    def people(self) -> Mapping[str, Mapping[str, Any]]:
        """Biographies of celebrities, by identity id, where the source has them."""
        return self._balanced.get("people", {})

    def faces(self) -> Iterator[Face]:
        """All faces; one shard at a time is in memory."""
        for shard in self.shards:
            yield from read_shard(self._store.get(shard.key))


def read_version(store: ObjectStore, number: int | None = None) -> Version:
    """A version of the data set, the newest by default.

    Raises:
        TwinMatcherError: there is none yet.
        ObjectMissingError: that version was never made, or is not kept any more.
    """
    log = ManifestLog(store, layout.log(layout.DATASETS))
    manifest = log.read(number) if number else log.head()
    if manifest is None:
        raise TwinMatcherError("There is no twin_dataset in this bucket yet: materialize it first.")
    return Version(store, manifest)


def note_verdict(store: ObjectStore, upload_id: str, number: int) -> None:
    """Say that there is a new verdict on an upload, for the next version of the data set."""
    store.put_same(f"{layout.change_prefix(upload_id)}{number}.json", b"{}", "application/json")


def update_dataset(store: ObjectStore, *, everything: bool = False) -> Manifest:
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

    def make(head: Manifest | None) -> Mapping[str, Any]:
        before = head.body if head and "members" in head.body and not everything else {}
        changed = {_upload_of(key) for key in noted} if before else _all_uploads(store)
        members = {upload_id: _member(store, upload_id) for upload_id in changed}
        lists = _changed(store, before.get("members", {}), members)
        return _body(_celebrities(store, before.get("balanced", {})), lists)

    # No erasure meanwhile: it would delete a list that the new version names.
    with exclusive(store, layout.DATASET_LOCK):
        manifest = ManifestLog(store, layout.log(layout.DATASETS)).update(make)
    for key in noted:
        store.delete(key)
    return manifest


def without(store: ObjectStore, body: Mapping[str, Any], upload_id: str) -> Mapping[str, Any]:
    """The body of a version as it would be had an upload never been in."""
    return _body(body["balanced"], _changed(store, body["members"], {upload_id: None}))


def list_of(upload_id: str) -> str:
    """Which of the 256 lists an upload is in."""
    return hashlib.sha256(upload_id.encode()).hexdigest()[:2]


def _upload_of(change: str) -> str:
    return change.removeprefix(f"{layout.CHANGES}/").split(".")[0]


def _all_uploads(store: ObjectStore) -> set[str]:
    return {key.split("/")[1] for key in store.list("users/")}


def _member(store: ObjectStore, upload_id: str) -> Member | None:
    """What an upload is by its newest verdict; an erased one is nothing."""
    head = ManifestLog(store, layout.log(layout.user(upload_id))).head()
    if head is None or get_tombstone(store, upload_id):
        return None
    return Member.of_verdict(head.body)


def _celebrities(store: ObjectStore, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """The newest balanced celebrities in a few figures, which stay as they are until others come.

    Raises:
        TwinMatcherError: there are none yet.
    """
    log = ManifestLog(store, layout.log(layout.BALANCED))
    number = log.head_number()
    if not number:
        raise TwinMatcherError(
            "There is no balanced_faces in this bucket yet: materialize it first."
        )
    if number == before.get("number"):
        return before
    body = log.read(number).body
    people = people_in(ShardEntry.from_dict(shard) for shard in body["shards"])
    return {
        "number": number,
        "fingerprint": body["fingerprint"],
        "rows": body["rows"],
        "identities": len(people),
        "splits": {split: sum(one.faces.get(split, 0) for one in people) for split in SPLITS},
    }


def _body(celebrities: Mapping[str, Any], members: Mapping[str, Any]) -> Mapping[str, Any]:
    users = sum(one["uploads"] for one in members.values())
    rows = sum(one["rows"] for one in members.values())
    splits = dict(celebrities["splits"])
    splits["train"] += rows  # an upload is for training, whole
    return {
        "fingerprint": fingerprint(
            celebrities["fingerprint"], *(one["key"] for _, one in sorted(members.items()))
        ),
        "balanced": celebrities,
        "members": members,
        "rows": celebrities["rows"] + rows,
        "users": users,
        "identities": celebrities["identities"] + users,
        "splits": splits,
    }


def _changed(
    store: ObjectStore, lists: Mapping[str, Any], members: Mapping[str, Member | None]
) -> dict[str, Any]:
    """The lists after some uploads came in (a member) or left (None); others are not read."""
    result = dict(lists)
    for name in {list_of(upload_id) for upload_id in members}:
        found = dict(_read_list(store, lists[name])) if name in lists else {}
        for upload_id, member in members.items():
            if list_of(upload_id) == name:
                found.pop(upload_id, None)
                if member:
                    found[upload_id] = member
        result.pop(name, None)
        if found:
            result[name] = _write_list(store, found)
    return result


def _read_list(store: ObjectStore, one: Mapping[str, Any]) -> dict[str, Member]:
    return {
        upload_id: Member(upload_id, ShardEntry.from_dict(body["shard"]), body["publication"])
        for upload_id, body in json.loads(store.get(one["key"])).items()
    }


def _write_list(store: ObjectStore, members: Mapping[str, Member]) -> dict[str, Any]:
    data = encode(
        {
            upload_id: {"shard": member.shard.as_dict(), "publication": member.publication}
            for upload_id, member in members.items()
        }
    )
    key = f"{layout.MEMBERS}/{hashlib.sha256(data).hexdigest()}.json"
    store.put_content(key, data, "application/json")
    return {
        "key": key,
        "uploads": len(members),
        "rows": sum(member.shard.rows for member in members.values()),
    }
