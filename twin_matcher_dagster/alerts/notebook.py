"""What matters and who was told of it, kept in the bucket: pure functions from one to the next.

Whoever could not be reached is told later, of what is over by then as well. Nobody's upload is
named: a matter is known by a mark.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from twin_matcher_dagster.alerts.matters import GRACES, Matter, MatterKind
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.reconciliation.missing import Backoff
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore

AWAY = Backoff(timedelta(seconds=30), timedelta(hours=1))
"""When a receiver that could not be reached is tried again."""


@dataclass(frozen=True)
class NotedMatter:
    """A matter, and who was told of it.

    Attributes:
        kind: what it is.
        subject: of what; an upload is not named.
        noted: when it was noted first, by the store's clock.
        due: from when on it is told, if it is there then.
        over: when it was gone; None while it is there.
        began, ended: names of the receivers who were told that it began, and that it is over.
    """

    kind: MatterKind
    subject: str
    noted: datetime
    due: datetime
    over: datetime | None = None
    began: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


@dataclass(frozen=True)
class Silence:
    """A receiver that could not be reached: how often, and when it is tried again."""

    failures: int
    again: datetime


@dataclass(frozen=True)
class Notebook:
    """All matters, by mark; and the receivers that could not be reached, by name."""

    matters: Mapping[str, NotedMatter] = field(default_factory=dict)
    silent: Mapping[str, Silence] = field(default_factory=dict)

    def noting(self, matters: Sequence[Matter], now: datetime) -> Notebook:
        """With what matters now: what is new is noted, and what is gone is over.

        What is gone before it was due was nothing; nobody is told.
        """
        there = {one.mark: one for one in matters}
        noted = dict(self.matters)
        for mark, one in self.matters.items():
            if mark in there and one.over:
                # Who was told that it is over is told again; for all others it never was.
                began = tuple(name for name in one.began if name not in one.ended)
                noted[mark] = replace(one, over=None, began=began, ended=())
            elif mark not in there and not one.over:
                noted[mark] = replace(one, over=now)
                if now < one.due:
                    del noted[mark]
        for mark, one in there.items():
            if mark not in noted:
                pause = GRACES[one.kind].pause if one.pause is None else one.pause
                noted[mark] = NotedMatter(one.kind, one.said, now, now + pause)
        return replace(self, matters=noted)

    def news_for(self, receiver: str, now: datetime) -> News:
        """What one receiver has not been told yet; nothing while it is let alone."""
        silence = self.silent.get(receiver)
        if silence and now < silence.again <= now + AWAY.longest:
            return News()
        began, passed, ended = [], [], []
        for mark, one in self.matters.items():
            told = receiver in one.began
            if one.over and not told:
                passed.append(mark)
            elif one.over and GRACES[one.kind].end and receiver not in one.ended:
                ended.append(mark)
            elif not one.over and not told and not one.noted <= now < one.due:
                began.append(mark)
        return News(tuple(began), tuple(passed), tuple(ended))

    def told(self, receiver: str, news: News) -> Notebook:
        """After a receiver was told some news."""
        noted = dict(self.matters)
        for mark in news.marks:
            one = noted[mark]
            noted[mark] = replace(
                one,
                began=_with(one.began, receiver),
                ended=_with(one.ended, receiver) if one.over else one.ended,
            )
        silent = {name: one for name, one in self.silent.items() if name != receiver}
        return Notebook(noted, silent)

    def untold(self, receiver: str, now: datetime) -> Notebook:
        """After a receiver could not be reached."""
        failures = self.silent[receiver].failures + 1 if receiver in self.silent else 1
        silence = Silence(failures, now + AWAY.pause(failures))
        return replace(self, silent={**self.silent, receiver: silence})

    def only_for(self, receivers: Collection[str]) -> Notebook:
        """Without what is over and every receiver knows, and without receivers that are no more."""
        kept = {
            mark: one
            for mark, one in self.matters.items()
            if not one.over or any(not _knows(one, name) for name in receivers)
        }
        return Notebook(
            kept, {name: self.silent[name] for name in self.silent if name in receivers}
        )


@dataclass(frozen=True)
class News:
    """Marks of matters that somebody has to be told of.

    Attributes:
        began: they are there.
        passed: they came and went while the receiver could not be reached.
        ended: they are over, and the receiver was told that they began.
    """

    began: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()

    @property
    def marks(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.began, *self.passed, *self.ended)


def read_notebook(store: ObjectStore) -> tuple[Notebook, str]:
    """The notebook and its ETag: empty ones where there is none, or one of another version.

    Without it nothing is lost: all that matters is told again.
    """
    try:
        stored = store.read(layout.ALERTS_TOLD)
    except ObjectMissingError:
        return Notebook(), ""
    try:
        return _NOTEBOOK.validate_json(stored.body), stored.etag
    except ValidationError:
        return Notebook(), stored.etag


def keep_notebook(store: ObjectStore, notebook: Notebook, etag: str) -> str:
    """Write the notebook over the one that was read; its new ETag.

    Raises:
        ObjectExistsError, ObjectChangedError: somebody else wrote one meanwhile.
    """
    body = _NOTEBOOK.dump_json(notebook, exclude_defaults=True)
    if etag:
        return store.replace(layout.ALERTS_TOLD, body, etag)
    return store.put_new(layout.ALERTS_TOLD, body, "application/json")


def _knows(one: NotedMatter, receiver: str) -> bool:
    """Whether a receiver was told all there is of a matter that is over."""
    return receiver in one.began and (receiver in one.ended or not GRACES[one.kind].end)


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)


_NOTEBOOK = TypeAdapter(Notebook)
