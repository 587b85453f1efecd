"""What a person decided of an upload: one object each, which the newest decision is in.

It is no order to a run. What the verdict says is compared with it, and the upload is judged again
where it says something else: see :mod:`~twin_matcher_dagster.reconciliation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pydantic import TypeAdapter, ValidationError

from twin_matcher_dagster.errors import ObjectMissingError, RecordError
from twin_matcher_dagster.refusals import Refusal
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import REPAIR, Moment
from twin_matcher_dagster.storage.records.uploads import Reviewed

LONGEST_NOTE = 500
"""Characters of a note."""


class UploadDecision(str, Enum):
    """What a person decided about an upload."""

    none = "none"
    accept = "accept"
    reject = "reject"
    ask_again = "ask_again"


class AskedFor(str, Enum):
    """Why a person is asked to hand in other pictures: the reviewer chooses one."""

    light = "light"
    sharper = "sharper"
    uncovered = "uncovered"
    turned = "turned"
    alone = "alone"
    live = "live"
    own_name = "own_name"


PLEAS = {
    AskedFor.light: Refusal(
        "Your face is too dark, or lit from one side only.",
        "Record it again in good light, from the front.",
    ),
    AskedFor.sharper: Refusal(
        "Your face is blurred.", "Record it again, hold still, and turn slowly."
    ),
    AskedFor.uncovered: Refusal(
        "Something covers your face.",
        "Record it again without sunglasses, mask or hand before the face.",
    ),
    AskedFor.turned: Refusal(
        "Your face is seen from one side only.",
        "Record it again, and turn the head slowly to both sides.",
    ),
    AskedFor.alone: Refusal(
        "Somebody else is in your pictures.", "Record yourself again, alone in the picture."
    ),
    AskedFor.live: Refusal(
        "Your pictures look as if they were taken of a photo or a screen.",
        "Record yourself, before the camera.",
    ),
    AskedFor.own_name: Refusal(
        "The name does not seem to be yours.", "Record yourself again, under your own name."
    ),
}
"""What the owner of the upload reads, in which language that may be."""


@dataclass(frozen=True)
class Decided:
    """What a person decided of an upload.

    Attributes:
        decision: what; ``none`` takes an earlier one back.
        by: their name, as the guard knows it.
        at: when, by the store's clock.
        note: why, for other reviewers; shown to nobody else.
        reason: of ``ask_again``, for the owner.
        schema: number of the form in which it is stored.
    """

    decision: UploadDecision
    by: str
    at: Moment
    note: str = ""
    reason: AskedFor | None = None
    schema: int = 1

    @property
    def reviewed(self) -> Reviewed:
        """As a verdict has it."""
        return Reviewed(self.decision.value, self.note)


def get_decision(store: ObjectStore, upload_id: str) -> Decided | None:
    """The newest decision on an upload, if there is one."""
    return read_decision(store, upload_id)[0]


def read_decision(store: ObjectStore, upload_id: str) -> tuple[Decided | None, str]:
    """The newest decision on an upload, and its ETag; None and an empty text where there is none.

    Raises:
        RecordError: it is none that this version can read.
    """
    key = layout.decision(upload_id)
    try:
        stored = store.read(key)
    except ObjectMissingError:
        return None, ""
    try:
        return _DECIDED.validate_json(stored.body), stored.etag
    except ValidationError:
        raise RecordError(f"{key} is no decision. {REPAIR}") from None


def put_decision(store: ObjectStore, upload_id: str, decided: Decided, etag: str) -> None:
    """Write a decision over the one that was read, or as the first one.

    Raises:
        ObjectExistsError, ObjectChangedError: somebody else decided meanwhile.
    """
    key, body = layout.decision(upload_id), _DECIDED.dump_json(decided)
    if etag:
        store.replace(key, body, etag)
    else:
        store.put_new(key, body, "application/json")


def decided_uploads(store: ObjectStore, first: str, last: str) -> Iterator[str]:
    """Ids of uploads that something was decided of, from one id to another."""
    prefix = f"{layout.DECISIONS}/"
    # A character short: what is looked for is after what the listing begins behind.
    for key in store.list(prefix, start_after=f"{prefix}{first[:-1]}"):
        upload_id = key.removeprefix(prefix).removesuffix(".json")
        if upload_id > last:
            return
        if upload_id >= first and key == layout.decision(upload_id):
            yield upload_id


_DECIDED = TypeAdapter(Decided)
