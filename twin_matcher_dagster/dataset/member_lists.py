"""The lists of uploads that versions of the data set name: read, and written anew."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from twin_matcher_dagster.errors import ObjectExistsError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.dataset import (
    Member,
    MemberList,
    decode_members,
    encode_members,
    list_of,
)
from twin_matcher_dagster.storage.records.parts import person_of
from twin_matcher_dagster.storage.records.record import CONTENT_KEY
from twin_matcher_dagster.storage.tombstones import erased_among, get_tombstone

Lists = Mapping[str, MemberList]


def read_list(store: ObjectStore, one: MemberList) -> dict[str, Member]:
    """The members of a list, by upload id."""
    return decode_members(store.get(one.key))


def changed_lists(store: ObjectStore, lists: Lists, uploads: Collection[str]) -> Lists:
    """The lists after there were new verdicts on some uploads; others are not read."""
    changes: dict[str, dict[str, Member | None]] = {}
    for upload_id in uploads:
        person, member = _newest(store, upload_id)
        # It may have been in as somebody new before it was another clip.
        for whose, what in ((person_of(upload_id), None), (person, member)):
            changes.setdefault(list_of(whose), {})[upload_id] = what
    result = dict(lists)
    for name, changed in changes.items():
        before = read_list(store, lists[name]) if name in lists else {}
        now = {who: member for who, member in {**before, **changed}.items() if member}
        _put(store, result, name, now)
    return result


def lists_naming(store: ObjectStore, upload_id: str) -> set[str]:
    """Keys of all lists, of every version, that an upload is in."""
    keys = filter(CONTENT_KEY.fullmatch, store.list(f"{layout.MEMBERS}/"))
    return {key for key in keys if upload_id in decode_members(store.get(key))}


def lists_without(
    store: ObjectStore, lists: Lists, upload_id: str, naming: Collection[str]
) -> Lists:
    """Some lists as they would be had an upload never been in.

    Args:
        store: the bucket.
        lists: of a version.
        upload_id: which.
        naming: keys of those that it is in.
    """
    result = dict(lists)
    for name, one in lists.items():
        if one.key in naming:
            members = read_list(store, one)
            del members[upload_id]
            _put(store, result, name, members)
    return result


def _newest(store: ObjectStore, upload_id: str) -> tuple[str, Member | None]:
    """Whose an upload is, and what it is by its newest verdict; an erased one is nothing."""
    head = verdicts(store, upload_id).head()
    if head is None or get_tombstone(store, upload_id):
        return person_of(upload_id), None
    verdict = head.record
    if verdict.shard is None:
        return verdict.person, None
    return verdict.person, Member(upload_id, verdict.shard, verdict.publication, verdict.person)


def _put(
    store: ObjectStore, lists: dict[str, MemberList], name: str, members: Mapping[str, Member]
) -> None:
    """Write a list under its name; an empty one is none. Nobody who was erased is in it.

    Somebody may be erased while it is on its way: whoever erases did not see it then.
    """
    lists.pop(name, None)
    while left := _but_erased(store, members):
        data = encode_members(left)
        key = f"{layout.MEMBERS}/{hashlib.sha256(data).hexdigest()}.json"
        try:
            store.put_new(key, data, "application/json")
        except ObjectExistsError:
            written = False
        else:
            written = True
        if not written or _but_erased(store, left) == left:
            lists[name] = MemberList.of(key, left)
            return
        store.delete(key)


def _but_erased(store: ObjectStore, members: Mapping[str, Member]) -> dict[str, Member]:
    erased = erased_among(store, members)
    return {who: member for who, member in members.items() if who not in erased}
