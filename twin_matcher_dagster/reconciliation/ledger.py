"""What a tick hands on to the next one, as text: the cursor of the sensor.

Nothing depends on it: without it everything is looked at again and tried at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from twin_matcher_dagster.reconciliation.chain import Chain
from twin_matcher_dagster.reconciliation.facts import Tries, Work, asset_of


@dataclass(frozen=True)
class Ledger:
    """What was done so far, and what need not be looked at again.

    Attributes:
        tries: what was done about the work that is still missing.
        busy: by asset when a run that made it was last seen.
        scanned: the key that the scan of all uploads has come to; empty between two scans.
        scan_began: when that scan began; None before the first one.
        marks: of the logs' newest entries, see ``survey.marks_of``.
        chain: what they say.
        told: what was reported last.
        told_at: when that was; None before the first time.
    """

    tries: tuple[tuple[Work, Tries], ...] = ()
    busy: Mapping[str, datetime] = field(default_factory=dict)
    scanned: str = ""
    scan_began: datetime | None = None
    marks: str = ""
    chain: Chain | None = None
    told: str = ""
    told_at: datetime | None = None

    @classmethod
    def read(cls, text: str | None) -> Ledger:
        """A ledger from a cursor; an empty one where there is none, or one of an older version."""
        try:
            return _LEDGER.validate_json(text or "{}")
        except ValidationError:
            return cls()

    def text(self) -> str:
        """As a cursor."""
        return _LEDGER.dump_json(self, exclude_defaults=True).decode()

    def seen(self, live: Collection[Work], now: datetime) -> Ledger:
        """With what goes on now: the pause after a try begins when it has ended."""
        tries = ((one, Tries(t.made, now) if one in live else t) for one, t in self.tries)
        busy = {**self.busy, **{asset_of(one): now for one in live if one.kind != "check"}}
        return replace(self, tries=tuple(tries), busy=busy)

    def launched(self, works: Iterable[Work], now: datetime) -> Ledger:
        """With one try more of each."""
        tries = dict(self.tries)
        for one in works:
            tries[one] = Tries(tries[one].made + 1 if one in tries else 1, now)
        return replace(self, tries=tuple(tries.items()))

    def only(self, works: Collection[Work]) -> Ledger:
        """Without what is not missing any more: it counts from one when it is missing again."""
        return replace(self, tries=tuple(one for one in self.tries if one[0] in works))


_LEDGER = TypeAdapter(Ledger)
