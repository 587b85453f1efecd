"""The verdict on an upload."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Literal

from twin_matcher_dagster.storage.records.parts import ShardEntry, person_of
from twin_matcher_dagster.storage.records.record import Record

State = Literal["accepted", "flagged", "rejected"]

ERASED = "ERASED"
"""Stands where the id of an upload stood that was erased since."""


@dataclass(frozen=True)
class Reviewed:
    """What a person decided of an upload, see ``uploads.decisions``; and why."""

    decision: str = "none"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """What was found of one upload.

    Attributes:
        upload_id: which.
        person: mark of whose it is, see :func:`~.parts.person_of`: that of an earlier upload with
            the same face and name, or its own.
        state: accepted: it is in; flagged: it waits for a person; rejected: it is out.
        publication: whether its person agreed to being published on the Hub.
        reasons: why it is rejected.
        flags: what a person is asked to look into.
        resembles: identity ids of those for whom it was flagged.
        hints: what a person may want to look into.
        review: a person's decision.
        template: mean vector of its faces, float [128]; None where it is rejected.
        shard: its faces, where it is accepted.
    """

    schema: ClassVar[int] = 4

    upload_id: str
    person: str
    state: State
    publication: bool
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    resembles: tuple[str, ...]
    hints: tuple[str, ...]
    review: Reviewed
    template: tuple[float, ...] | None
    shard: ShardEntry | None

    @property
    def accepted(self) -> bool:
        """Whether the upload is in."""
        return self.state == "accepted"

    @property
    def is_another_clip(self) -> bool:
        """Whether it was taken as another one of somebody who had handed one in before."""
        return self.person != person_of(self.upload_id)

    def names(self, upload_id: str) -> bool:
        """Whether another upload's id stands somewhere in it."""
        return upload_id in json.dumps(self.as_body())

    def without(self, upload_id: str) -> Verdict:
        """The same words about this upload, without the id of another one."""
        body = json.dumps(self.as_body(), ensure_ascii=False)
        return self.from_body(json.loads(body.replace(upload_id, ERASED)))
