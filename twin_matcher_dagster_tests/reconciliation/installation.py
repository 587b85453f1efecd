"""An installation in memory: what the stages do to the bucket, and all that may happen to runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from twin_matcher_dagster.reconciliation.chain import (
    BalancedFact,
    Chain,
    DatasetFact,
    IndexFact,
    ModelFact,
    ReleaseFact,
    needs_of,
)
from twin_matcher_dagster.reconciliation.facts import Arrival, Content, Facts, GateState, Work
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import Missing, what_is_missing

DAWN = datetime(2026, 11, 27, tzinfo=timezone.utc)
AFTER = {
    "balanced_faces": "enough_identities",
    "twin_dataset": "users_split_by_upload",
    "face_index": "held_out_faces_are_found",
}


class Installation:
    """Bucket and runs. Uploads whose number is odd are rejected."""

    def __init__(self) -> None:
        self.now = DAWN
        self.waiting: dict[str, datetime] = {}
        self.judged: dict[str, bool] = {}
        self.noted: dict[str, datetime] = {}
        self.erased: dict[str, datetime] = {}
        self.completed: frozenset[str] = frozenset()
        self.members: frozenset[str] = frozenset()
        self.learnt: frozenset[str] = frozenset()
        self.indexed: frozenset[str] = frozenset()
        self.released: frozenset[str] = frozenset()
        self.chain = Chain()
        self.checked: set[Content] = set()
        self.runs: list[Work] = []
        self.ledger = Ledger()
        self.count = 0

    # What visitors and operators do.

    def upload(self) -> None:
        """Somebody hands a clip in."""
        self.count += 1
        self.waiting[f"{self.count:03d}"] = self.now

    def erase(self) -> None:
        """The eldest who is left is erased, everywhere but in the weights."""
        left = sorted({*self.waiting, *self.judged} - set(self.erased))
        if not left:
            return
        who = left[0]
        self.erased[who] = self.now
        for some in (self.waiting, self.judged, self.noted):
            some.pop(who, None)
        if who in self.members:
            self.members -= {who}
            assert self.chain.dataset
            self._made_dataset(self.chain.dataset.celebrities)
            self.checked.add(Content("twin_dataset", self.chain.dataset.version))
        if who in self.indexed and self.chain.index:
            released = self.released == self.indexed
            self.indexed -= {who}
            self._made_index(self.chain.index.model)
            if released and self.chain.release and self.chain.release.content:
                self._made_release()

    def celebrities(self) -> None:
        """The source is read anew."""
        number = self.chain.raw[0] + 1 if self.chain.raw else 1
        self.chain = replace(self.chain, raw=(number, self.now))

    # What is seen, and what is done about it.

    def facts(self) -> Facts:
        """As the sensor gathers them."""
        model, index = self.chain.model, self.chain.index
        gone = [self.erased[one] for one in self.learnt if one in self.erased]
        self.chain = replace(
            self.chain,
            model=model and replace(model, erased_since=min(gone, default=None)),
            index=index and replace(index, erased=bool(self.indexed & set(self.erased))),
        )
        needs = needs_of(self.chain, self.noted)
        gates = {
            need.gate: GateState(() if need.gate in self.checked else (AFTER[need.gate.asset],))
            for need in needs
            if need.gate
        }
        is_complete = self.completed == set(self.erased)
        return Facts(
            now=self.now,
            arrivals={
                who: Arrival(since, True, who in self.judged, who in self.erased)
                for who, since in self.waiting.items()
            },
            needs=needs,
            gates=gates,
            erased_since=None if is_complete else max(self.erased.values()),
            live=frozenset(self.runs),
            busy=self.ledger.busy,
            tries=dict(self.ledger.tries),
        )

    def tick(self) -> tuple[Missing, ...]:
        """One look; what is due is launched."""
        for who in set(self.waiting) & set(self.judged):
            self._note(who)
        self.ledger = Ledger.read(self.ledger.text()).seen(self.runs, self.now)
        missing = what_is_missing(self.facts())
        due = [one.work for one in missing if one.due and one.due <= self.now]
        assert not set(due) & set(self.runs), "launched twice at once"
        assert len(set(due)) == len(due)
        self.runs += due
        self.ledger = self.ledger.only({one.work for one in missing}).launched(due, self.now)
        return missing

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.now += timedelta(seconds=seconds)

    # How runs end.

    def vanish(self) -> None:
        """The eldest run is gone, and did nothing."""
        if self.runs:
            self.runs.pop(0)

    def cut(self) -> None:
        """The eldest run is cut off in the middle: what it made is there, what comes after is not.

        A verdict without its note, an asset without its checks.
        """
        if self.runs:
            self._do(self.runs.pop(0), whole=False)

    def finish(self) -> None:
        """The eldest run ends well."""
        if self.runs:
            self._do(self.runs.pop(0), whole=True)

    def _do(self, work: Work, *, whole: bool) -> None:
        if work.kind == "judge":
            if work.subject in self.waiting:
                self.judged[work.subject] = int(work.subject) % 2 == 0
                if whole:
                    self._note(work.subject)
        elif work.kind == "erase":
            self.completed = frozenset(self.erased)
        elif work.kind == "check":
            self._check(work.subject)
        else:
            getattr(self, f"_{work.subject}")()
            if whole and work.subject in AFTER:
                self._check(work.subject)

    def _note(self, who: str) -> None:
        self.noted[who] = self.now
        self.waiting.pop(who, None)

    def _check(self, asset: str) -> None:
        made: Mapping[str, BalancedFact | DatasetFact | IndexFact | None] = {
            "balanced_faces": self.chain.balanced,
            "twin_dataset": self.chain.dataset,
            "face_index": self.chain.index,
        }
        newest = made[asset]
        if newest:
            self.checked.add(Content(asset, newest.version))

    def _balanced_faces(self) -> None:
        assert self.chain.raw
        number = self.chain.raw[0]
        self.chain = replace(self.chain, balanced=BalancedFact(self.now, f"b{number}", number))

    def _twin_dataset(self) -> None:
        assert self.chain.balanced
        everybody = {who for who, accepted in self.judged.items() if accepted}
        new = everybody if self.chain.dataset is None else everybody & set(self.noted)
        self.members = (self.members | new) - set(self.erased)
        self.noted.clear()
        self._made_dataset(self.chain.balanced.version)

    def _made_dataset(self, celebrities: str) -> None:
        shards = " ".join(sorted(self.members))
        all_of_it = f"{celebrities} {shards}"
        made = DatasetFact(self.now, all_of_it, celebrities, shards, learnt=all_of_it)
        if self.chain.dataset is None or self.chain.dataset.version != made.version:
            self.chain = replace(self.chain, dataset=made)

    def _retraining(self) -> None:
        dataset, model = self.chain.dataset, self.chain.model
        assert dataset
        gone = self.learnt - self.members
        if model is None or gone or model.celebrities != dataset.celebrities:
            self.chain = replace(self.chain, training_due=self.now)

    def _twin_model(self) -> None:
        dataset = self.chain.dataset
        assert dataset
        self.learnt = self.members
        name = f"m {dataset.version} {self.now}"
        self.wait(2)  # it takes longer than the store's clock is coarse
        self.chain = replace(self.chain, model=ModelFact(self.now, name, dataset.celebrities, ""))

    def _face_index(self) -> None:
        dataset, model, index = self.chain.dataset, self.chain.model, self.chain.index
        if not dataset or not model:
            return
        goes_on = index is not None and index.model == model.version
        if model.celebrities == dataset.celebrities or goes_on:
            self.indexed = self.members
            self._made_index(model.version)

    def _made_index(self, model: str) -> None:
        shards = " ".join(sorted(self.indexed))
        made = IndexFact(self.now, f"{model} {shards}", (model, shards), model, shards)
        if self.chain.index is None or self.chain.index.version != made.version:
            self.chain = replace(self.chain, index=made)

    def _production_release(self) -> None:
        if self.chain.index and not (self.indexed | self.learnt) & set(self.erased):
            self._made_release()

    def _made_release(self) -> None:
        assert self.chain.index
        self.released = self.indexed
        content, before = self.chain.index.content, self.chain.release
        number = before.number + 1 if before else 1
        made = ReleaseFact(self.now, content, by_hand=False, number=number)
        self.chain = replace(self.chain, release=made)

    def _twin_pairs(self) -> None:
        if self.chain.release and self.chain.release.content:
            self.chain = replace(self.chain, paired=self.chain.release.number)
