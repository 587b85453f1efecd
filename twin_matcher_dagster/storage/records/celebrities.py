"""Records of the celebrities: as they came, as they are used, and what a person decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.records.parts import RawShard, ShardEntry
from twin_matcher_dagster.storage.records.record import Record

Biography = Mapping[str, Any]
"""The filled parts of :class:`~twin_matcher_dagster.dataset.biographies.About`."""


@dataclass(frozen=True, kw_only=True)
class RawVersion(Record):
    """What ``raw_faces`` read.

    Attributes:
        source: where the faces are from.
        people: identity id -> what the source says of them.
        rows: how many faces.
        shards: with the rows as they came.
    """

    source: str
    people: Mapping[str, Biography]
    rows: int
    shards: tuple[RawShard, ...]


@dataclass(frozen=True, kw_only=True)
class BalancedVersion(Record):
    """What ``balanced_faces`` kept.

    Attributes:
        raw: number of the raw version that it was made from.
        table: key of the table of findings; empty where nothing was cleaned.
        images: identity id -> how many images the source has.
        rows: how many faces.
        templates: identity id -> mean vector of some training faces.
        people: identity id -> biography, of those who were kept.
        shards: each of one split.
        uncleaned: of held-out faces that cleaning left out. They are in no data set; with the test
            faces of ``shards`` they are the held-out faces as they came.
        min_faces: how many faces to train on an identity had to have; 0 where that was not noted.
        too_few: name -> faces to train on, of identities that have fewer.
    """

    schema: ClassVar[int] = 5
    raw: int
    table: str
    images: Mapping[str, int]
    rows: int
    templates: Mapping[str, tuple[float, ...]]
    people: Mapping[str, Biography]
    shards: tuple[ShardEntry, ...]
    uncleaned: tuple[ShardEntry, ...]
    min_faces: int
    too_few: Mapping[str, int]

    def stands_on(self) -> Mapping[str, int]:
        """The raw version."""
        return {layout.RAW: self.raw}


@dataclass(frozen=True)
class ReviewDecision:
    """What a person decided of one image.

    Attributes:
        image: SHA-256 of its bytes.
        decision: ``keep``, ``drop``, or ``label=`` and the name of the person it shows.
        note: why.
    """

    image: str
    decision: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Review(Record):
    """All decisions that count, by image."""

    decisions: tuple[ReviewDecision, ...]
