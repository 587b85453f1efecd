"""Whether the people of a release exist."""

from __future__ import annotations

from dataclasses import dataclass

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release, Withdrawn

INVENTED_NOTE = (
    "The celebrities here are invented: rendered people of the sample, who do not exist. Names and "
    "biographies are invented too."
)


def has_invented_people(release: Release) -> bool:
    """Whether somebody of a release is a rendering, by the word of the source."""
    return any(person.about.get("invented") for person in release.identities)


@dataclass(frozen=True)
class ReleasePeople:
    """Who is in a release.

    Attributes:
        count: how many; 0 where there is no release, or nobody knows.
        note: that they are invented, in a sentence; empty where they exist.
    """

    count: int
    note: str


NO_PEOPLE = ReleasePeople(0, "")


# By bucket, number and ETag of the newest release: its record names everybody, each visit asks.
_KNOWN: dict[tuple[str, int, str], ReleasePeople] = {}


def newest_people(store: ObjectStore) -> ReleasePeople:
    """Who is in the newest release; nobody where there is none, or the store is away."""
    try:
        newest = releases(store).head_entry()
        if newest is None:
            return NO_PEOPLE
        mark = (store.bucket, newest.number, newest.etag)
        if mark not in _KNOWN:
            people = _people_of(releases(store).read(newest.number).record)
            _KNOWN.clear()
            _KNOWN[mark] = people
        return _KNOWN[mark]
    except StorageError:
        return NO_PEOPLE


def _people_of(release: Release | Withdrawn) -> ReleasePeople:
    if not isinstance(release, Release):
        return NO_PEOPLE
    note = INVENTED_NOTE if has_invented_people(release) else ""
    return ReleasePeople(len(release.identities), note)
