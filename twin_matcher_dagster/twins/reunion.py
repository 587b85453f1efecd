"""Who is shown to a visitor as their long-lost twin: looked up when it is shown, and kept nowhere.

Pairs are ids. The name is that of the upload's manifest and the picture one of its shard, read
after it is seen that both agree now and neither was erased: taking it back, or an erasure, ends it
at once on both sides, whatever release and pairs say. At most 16 requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from twin_matcher_dagster.dataset.schema import Face
from twin_matcher_dagster.dataset.shards import faces_in
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.twins.agreement import agreeing
from twin_matcher_dagster.uploads.status import NewestEntries


class TwinNews(str, Enum):
    """What there is to tell a visitor of a long-lost twin."""

    not_asked_for = "not asked for"
    nobody_yet = "nobody yet"
    found = "found"


@dataclass(frozen=True)
class VisitorShown:
    """A visitor, as they are shown to their twin.

    Attributes:
        label: the name that they typed.
        portrait: PNG or JPEG bytes of a face, the most frontal one.
    """

    label: str
    portrait: bytes


@dataclass(frozen=True)
class Reunion:
    """What a visitor is told.

    Attributes:
        news: whether there is somebody.
        own, twin: both, where somebody is found.
        likeness: share of pairs of two people that are less alike, 0 to 1.
    """

    news: TwinNews
    own: VisitorShown | None = None
    twin: VisitorShown | None = None
    likeness: float = 0.0


def reunion_of(store: ObjectStore, upload_id: str, newest: NewestEntries) -> Reunion:
    """The long-lost twin of a visitor.

    Args:
        store: the bucket.
        upload_id: whose; whoever asks has proven that it is theirs.
        newest: kept from one question to the next.
    """
    if not agreeing(store, upload_id):
        return Reunion(TwinNews.not_asked_for)
    nobody = Reunion(TwinNews.nobody_yet)
    release, pairs = newest.release(store), newest.pairs(store)
    visitor = pairs.record.visitors.get(upload_id) if pairs else None
    if release is None or visitor is None or not visitor.agreed or not visitor.twin:
        return nobody
    # A release that is gone, or that one of them left, is no ground to show anybody.
    both = (upload_id, visitor.twin)
    if not all(release.record.names(one) for one in both) or not agreeing(store, visitor.twin):
        return nobody
    own, twin = (_shown(store, one) for one in both)
    # Once more: either may have left while their pictures were read.
    if own is None or twin is None or not all(agreeing(store, one) for one in both):
        return nobody
    return Reunion(TwinNews.found, own, twin, visitor.likeness)


def _shown(store: ObjectStore, upload_id: str) -> VisitorShown | None:
    try:
        head = verdicts(store, upload_id).head()
        if head is None or head.record.shard is None:
            return None
        face = min(faces_in(store, [head.record.shard]), key=_turned)
    except ObjectMissingError:
        return None  # an erasure is taking it out
    return VisitorShown(face.label, face.image)


def _turned(face: Face) -> float:
    """How far a face is from frontal, in degrees."""
    return abs(face.yaw) + abs(face.pitch) + abs(face.roll)
