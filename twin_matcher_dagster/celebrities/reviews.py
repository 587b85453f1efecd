"""Decisions about celebrity faces in the bucket: which there are, taking over others, pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace

from twin_matcher_dagster.celebrities.findings import Finding
from twin_matcher_dagster.celebrities.review_table import read_table
from twin_matcher_dagster.dataset.schema import read_raw_shard
from twin_matcher_dagster.errors import ReviewError
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import balanced_versions, raw_versions, reviews
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import Review, ReviewDecision

DECIDED = "decided, not looked at again yet"


def reviews_of(store: ObjectStore) -> tuple[list[ReviewDecision], str]:
    """The decisions that count, and their fingerprint; none and an empty text where there are none.

    Every import stands for all decisions: what is not in the newest one does not count any more.
    """
    head = reviews(store).head()
    if head is None:
        return [], ""
    return list(head.record.decisions), head.fingerprint


def commit_reviews(store: ObjectStore, decisions: Iterable[ReviewDecision]) -> Manifest[Review]:
    """Let these decisions count from now on, in place of all earlier ones."""
    ordered = tuple(sorted(decisions, key=lambda one: one.image))
    mark = fingerprint(*(str(asdict(one)) for one in ordered))
    return reviews(store).commit(Review(fingerprint=mark, decisions=ordered))


def with_decisions(
    findings: Sequence[Finding], decisions: Iterable[ReviewDecision]
) -> list[Finding]:
    """A table with the decisions that count now, those of images that it does not list as well.

    So an export holds all decisions whenever it is made, and importing it again loses none.
    """
    told = {one.image: one.decision for one in decisions}
    listed = {one.image for one in findings}
    return [
        *(replace(one, decision=told.get(one.image, "")) for one in findings),
        *(
            Finding(image, "", "", DECIDED, decision=decision)
            for image, decision in sorted(told.items())
            if image not in listed
        ),
    ]


def findings_of(store: ObjectStore) -> tuple[list[Finding], list[str]]:
    """The newest table of findings, and the keys of the raw shards that it speaks of.

    Raises:
        ReviewError: there is none yet.
    """
    head = balanced_versions(store).head()
    if head is None or not head.record.table:
        raise ReviewError("Nothing was cleaned in this bucket yet: materialize balanced_faces.")
    raw = raw_versions(store).read(head.record.raw).record
    return read_table(store.get(head.record.table)), [shard.key for shard in raw.shards]


def images_of(
    store: ObjectStore, shards: Sequence[str], wanted: set[str]
) -> Iterator[tuple[str, bytes]]:
    """The raw images with these SHA-256, each once, shard by shard."""
    left = set(wanted)
    for key in shards:
        for row in read_raw_shard(store.get(key)):
            digest = hashlib.sha256(row.image).hexdigest()
            if digest in left:
                left.remove(digest)
                yield digest, row.image
