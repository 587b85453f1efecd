"""Where the visitors of a release are: two files of the release, and nothing of each of them."""

from __future__ import annotations

from collections.abc import Mapping

from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.twins.pairing import Places


def places_of(store: ObjectStore, release: Release) -> Places | None:
    """The places of a release; None of one of earlier versions, which knows no likeness."""
    if not release.likeness:
        return None
    return Places(
        LikenessSpace.from_bytes(store.get(release.likeness)),
        Gallery.from_bytes(store.get(release.index)),
        load_sameness(release.recogniser),
    )


def first_releases(store: ObjectStore) -> Mapping[str, int]:
    """Of each upload the number of the first release that it is in, of those that are kept."""
    found: dict[str, int] = {}
    for entry in releases(store).entries():
        if isinstance(entry.record, Release):
            found.update(dict.fromkeys(entry.record.uploads, entry.number))
    return found
