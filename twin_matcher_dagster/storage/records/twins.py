"""Visitors of a release who look alike, and agreed to be told of one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.record import Record


@dataclass(frozen=True)
class Visitor:
    """An upload of a release.

    Attributes:
        since: number of the first release that it was seen in.
        shard: SHA-256 of its faces.
        agreed: whether its person agreed to being told of somebody alike, and shown to them.
        compared: whether it was compared with all others who agreed.
        twin: upload id of the nearest of those above the limit; empty for nobody.
        likeness: how alike the two are: share of pairs of two people that are less alike, 0 to 1; 0
            without a twin.
    """

    since: int
    shard: str
    agreed: bool
    compared: bool = False
    twin: str = ""
    likeness: float = 0.0

    def alone(self) -> Visitor:
        """The same visitor before anybody was compared with them."""
        return replace(self, compared=False, twin="", likeness=0.0)


@dataclass(frozen=True, kw_only=True)
class TwinPairs(Record):
    """Who of a release was told of whom. No name and no picture is in it: ids alone.

    Attributes:
        release: number of the release.
        space: identity of what likeness is measured in; in another one all are compared again.
        limit: of likeness, from which somebody is told.
        visitors: upload id -> what was found of it.
    """

    schema: ClassVar[int] = 1

    release: int
    space: str
    limit: float
    visitors: Mapping[str, Visitor]

    def names(self, upload_id: str) -> bool:
        """Whether an upload stands somewhere in it."""
        return upload_id in self.visitors or any(
            one.twin == upload_id for one in self.visitors.values()
        )

    def without(self, upload_id: str) -> TwinPairs:
        """The same pairs without an upload; whose twin it was will be compared again."""
        return self.of(
            {
                who: one.alone() if one.twin == upload_id else one
                for who, one in self.visitors.items()
                if who != upload_id
            }
        )

    def of(self, visitors: Mapping[str, Visitor]) -> TwinPairs:
        """The same release with other visitors."""
        return replace(self, visitors=visitors, fingerprint=self.mark(self.release, visitors))

    @staticmethod
    def mark(release: int, visitors: Mapping[str, Visitor]) -> str:
        """The fingerprint of what was found in a release."""
        return fingerprint(str(release), *(f"{who} {visitors[who]}" for who in sorted(visitors)))
