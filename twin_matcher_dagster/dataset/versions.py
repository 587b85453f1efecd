"""The data set and its versions: celebrities and accepted uploads, named and never copied.

A version is a small manifest. It names one version of the balanced celebrities, and the uploads
that are in by up to 256 lists, each a JSON object whose key is the hash of what it says: a Merkle
tree of two levels (Merkle 1987). To take an upload in, or out, one list and the manifest are
written anew, whatever else is there, and equal content has an equal fingerprint whichever way it
came about.

Who handed in several clips is known by the first one. The others are held out: they are among the
faces of a version, and not among its members. All clips of one person are in one list, so a list
says by itself which are held out.

``user_faces`` notes each verdict under ``datasets/changes``; ``twin_dataset`` looks at what was
noted since, so neither asks about anybody who was there before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from twin_matcher_dagster.dataset.member_lists import changed_lists, read_list
from twin_matcher_dagster.dataset.schema import SPLITS, Face
from twin_matcher_dagster.dataset.shards import faces_in
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.lease import leased
from twin_matcher_dagster.storage.logs import balanced_versions, dataset_versions
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion, Biography
from twin_matcher_dagster.storage.records.dataset import (
    EMPTY,
    Celebrities,
    DatasetVersion,
    Member,
    enrolled_among,
)
from twin_matcher_dagster.storage.records.parts import Identity, ShardEntry, people_in


@dataclass(frozen=True)
class OtherClip:
    """An upload of a user who is in by an earlier one. It is held out: it measures, and no more.

    Attributes:
        upload_id: which.
        shard: its faces. They say what the upload is by itself, an identity of its own.
        enrolled: the upload by which its person is in.
    """

    upload_id: str
    shard: ShardEntry
    enrolled: Member

    @property
    def identity(self) -> Identity:
        """Whose it is."""
        (who,) = self.enrolled.shard.identities
        return who


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
    def _accepted(self) -> dict[str, Member]:
        """All uploads, by id."""
        lists = (read_list(self._store, one) for one in self.record.members.values())
        found = {who: member for one in lists for who, member in one.items()}
        return dict(sorted(found.items()))

    @cached_property
    def _enrolled(self) -> dict[str, Member]:
        """The upload by which each person is in, by the person's mark."""
        return enrolled_among(self._accepted)

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The uploads by which users are in, one a user, by id."""
        known = {member.upload_id for member in self._enrolled.values()}
        return tuple(one for upload_id, one in self._accepted.items() if upload_id in known)

    @cached_property
    def other_clips(self) -> tuple[OtherClip, ...]:
        """The other uploads of these users, by id."""
        return tuple(
            OtherClip(upload_id, one.shard, self._enrolled[one.person])
            for upload_id, one in self._accepted.items()
            if self._enrolled[one.person] != one
        )

    @property
    def upload_ids(self) -> tuple[str, ...]:
        """Ids of the uploads by which users are in."""
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
        """All shards of those who are in: the celebrities', then one a user."""
        return (*self.celebrities, *(member.shard for member in self.members))

    @property
    def training_fingerprint(self) -> str:
        """Identity of what a training learns: other clips have no part in it."""
        marks = (member.shard.sha256 for member in self.members)
        return fingerprint(self.record.balanced.fingerprint, *marks)

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
        """All faces, other clips held out; one shard at a time is in memory."""
        yield from faces_in(self._store, self.shards)
        for clip in self.other_clips:
            who = clip.identity
            for face in faces_in(self._store, [clip.shard]):
                yield replace(face, identity_id=who.identity_id, label=who.label, split="test")


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
        LeaseLostError: this was stopped for so long that another process took over.
    """
    noted = list(store.list(f"{layout.CHANGES}/"))

    def make(head: Manifest[DatasetVersion] | None) -> DatasetVersion:
        before = head.record if head and not everything else EMPTY
        if before.balanced == EMPTY.balanced:
            changed = judged_uploads(store)
        else:
            changed = {_upload_of(key) for key in noted}
        lists = changed_lists(store, before.members, changed)
        return DatasetVersion.of(_celebrities(store, before.balanced), lists)

    # No erasure meanwhile: it would delete a list that the new version names. And none before whose
    # tombstone this did not see: what is written is fenced.
    with leased(store, layout.DATASET_LEASE) as lease:
        manifest = dataset_versions(store).update(make, lease.reserve)
    for key in noted:
        store.delete(key)
    return manifest


def _upload_of(change: str) -> str:
    return change.removeprefix(f"{layout.CHANGES}/").split(".")[0]


def judged_uploads(store: ObjectStore) -> set[str]:
    """Ids of all uploads that anything was made of."""
    return {key.split("/")[1] for key in store.list("users/")}


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
