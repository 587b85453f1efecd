"""What waits for a person: uploads, celebrities who may be two, models, erasures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from twin_matcher_dagster.celebrities.findings import LOOKS_LIKE, SECOND_PERSON, Finding
from twin_matcher_dagster.celebrities.namesakes import waiting_in
from twin_matcher_dagster.celebrities.review_table import read_table
from twin_matcher_dagster.erasure.deadlines import Deadline, deadline_of
from twin_matcher_dagster.errors import ObjectMissingError, RecordError
from twin_matcher_dagster.storage.logs import balanced_versions, models, verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import erased_uploads
from twin_matcher_dagster.uploads.arrivals import has_unheard_decision
from twin_matcher_dagster.uploads.flagged import flagged_uploads

REVIEW_PATH = "/review"
"""Where the review page is, below the address of the Dagster UI."""

MOST_SHOWN = 100
"""Uploads on one page; the others are counted, and come up as these are decided."""


@dataclass(frozen=True)
class WaitingUpload:
    """An upload that waits for a person.

    Attributes:
        upload_id: which.
        since: when it was flagged, by the store's clock.
        flags: what a person is asked to look into.
        decided: whether somebody decided, and it is being carried out.
    """

    upload_id: str
    since: datetime
    flags: tuple[str, ...]
    decided: bool


@dataclass(frozen=True)
class OpenQuestion:
    """Something about celebrities that no rule may decide.

    Attributes:
        who: a celebrity's name.
        what: the question.
        images: how many images it is about.
    """

    who: str
    what: str
    images: int


@dataclass(frozen=True)
class RefusedModel:
    """A model that gave way to the one in production: its number, and when that was."""

    number: int
    at: datetime


@dataclass(frozen=True)
class Waiting:
    """All that waits for a person.

    Attributes:
        uploads: those that are shown, who waits longest first.
        flagged: how many uploads wait.
        questions: about celebrities; where these hold up an identity, first.
        refused: the model that was refused last, if it was.
        deadline: by when the model in production has to be another one, if it has to.
    """

    uploads: tuple[WaitingUpload, ...] = ()
    flagged: int = 0
    questions: tuple[OpenQuestion, ...] = ()
    refused: RefusedModel | None = None
    deadline: Deadline | None = None

    @property
    def count(self) -> int:
        """How many matters wait."""
        return self.flagged + len(self.questions) + bool(self.refused) + bool(self.deadline)

    @property
    def in_a_sentence(self) -> str:
        """How much waits."""
        parts = [
            _counted(self.flagged, "flagged upload"),
            _counted(len(self.questions), "question", " about celebrities"),
            "a refused model" if self.refused else "",
            "an erasure with a deadline" if self.deadline else "",
        ]
        said = ", ".join(filter(None, parts))
        return f"For a person to look at: {said}." if said else "Nothing waits for a person."


class Waitlist:
    """Looks what waits; what cannot have changed is not read again.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._table = ""
        self._questions: tuple[OpenQuestion, ...] = ()

    def look(self, store: ObjectStore | None = None, *, briefly: bool = False) -> Waiting:
        """What waits now.

        Args:
            store: the same bucket, for somebody who waits.
            briefly: only count uploads: one request, however many they are.
        """
        store = store or self._store
        found = flagged_uploads(store)
        first = sorted(found, key=lambda one: found[one])[: 0 if briefly else MOST_SHOWN]
        return Waiting(
            tuple(_waiting_upload(store, one, found[one]) for one in first),
            len(found),
            self._asked(store),
            _refused(store),
            deadline_of(store, erased_uploads(store)),
        )

    def _asked(self, store: ObjectStore) -> tuple[OpenQuestion, ...]:
        with suppress(ObjectMissingError, RecordError):
            head = balanced_versions(store).head()
            table = head.record.table if head else ""
            if table and table != self._table:
                self._questions = questions_in(read_table(store.get(table)))
            elif not table:
                self._questions = ()
            self._table = table
        return self._questions


def questions_in(table: Collection[Finding]) -> tuple[OpenQuestion, ...]:
    """What no rule may decide, by a table of findings: who may be two, and who may be another."""
    open_ones = [one for one in table if not one.decision]
    names = {one.identity_id: one.label for one in table if one.identity_id}
    images = Counter(one.identity_id for one in open_ones)
    waits = [
        OpenQuestion(
            name, "Two people under one name? It is in no data set until it is decided.", n
        )
        for who, name in waiting_in(list(table)).items()
        if (n := images[who])
    ]
    second = Counter(one.identity_id for one in open_ones if one.reason == SECOND_PERSON)
    alike = Counter((one.identity_id, one.other) for one in open_ones if one.reason == LOOKS_LIKE)
    return (
        *waits,
        *(
            OpenQuestion(names[who], "A second person under this name?", n)
            for who, n in second.items()
        ),
        *(
            OpenQuestion(names[who], f"{names.get(other, other)} under this name?", n)
            for (who, other), n in alike.most_common()
        ),
    )


def _waiting_upload(store: ObjectStore, upload_id: str, since: datetime) -> WaitingUpload:
    flags: tuple[str, ...] = ()
    with suppress(ObjectMissingError, RecordError):
        head = verdicts(store, upload_id).head()
        flags = head.record.flags if head else ()
    return WaitingUpload(upload_id, since, flags, has_unheard_decision(store, upload_id))


def _refused(store: ObjectStore) -> RefusedModel | None:
    log = models(store)
    with suppress(ObjectMissingError, RecordError):
        entry = log.head_entry()
        refused = log.read(entry.number).record.refused if entry else None
        return RefusedModel(refused.model, entry.written) if entry and refused else None
    return None


def _counted(count: int, what: str, more: str = "") -> str:
    return f"{count} {what}{'s' * (count != 1)}{more}" if count else ""
