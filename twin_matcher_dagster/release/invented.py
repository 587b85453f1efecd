"""Whether the people of a release exist."""

from __future__ import annotations

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release

INVENTED_NOTE = (
    "The celebrities here are invented: rendered people of the sample, who do not exist. Names and "
    "biographies are invented too."
)


def has_invented_people(release: Release) -> bool:
    """Whether somebody of a release is a rendering, by the word of the source."""
    return any(person.about.get("invented") for person in release.identities)


def invented_note(store: ObjectStore) -> str:
    """What a page says of the newest release's people; empty where they exist, or nobody knows."""
    try:
        head = releases(store).head()
    except StorageError:
        return ""
    is_sample = head is not None and isinstance(head.record, Release)
    return INVENTED_NOTE if is_sample and has_invented_people(head.record) else ""
