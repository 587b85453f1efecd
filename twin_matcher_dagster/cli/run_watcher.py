"""What a Dagster instance is doing with the assets of the graph, read from its event log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from twin_matcher_dagster.defs.gates import LOOKED_AT
from twin_matcher_dagster.defs.keys import ASSETS

_PROGRESS = re.compile(r"progress (\d+)%(?:: (.*))?")
# A class with its module, as a traceback has it: of ours, of Dagster's, of a library.
_CLASS = re.compile(r"^(?:[a-z_]\w*\.)+[A-Z]\w*: ")


@dataclass
class Stage:
    """How far one asset is: ``waiting``, ``queued``, ``running``, ``done`` or ``failed``."""

    status: str = "waiting"
    share: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class StageResult:
    """What an asset made last: rows, and the seconds its step took."""

    rows: int | None
    seconds: float | None


class Watcher:
    """Follows the runs of an instance that were created from now on.

    Args:
        instance: Dagster's.
        first: id of the one run that is followed until :meth:`widen`; empty for all.
    """

    def __init__(self, instance: dg.DagsterInstance, first: str = "") -> None:
        self._instance = instance
        self._since = _just_now()
        self._only = [first] if first else None
        self._stages = {asset: Stage() for asset in ASSETS}
        self._cursors: dict[str, str | None] = {}

    def stages(self) -> dict[str, Stage]:
        """The state of every asset of the graph now."""
        since = None if self._only else self._since
        runs = self._instance.get_runs(dg.RunsFilter(run_ids=self._only, created_after=since))
        for run in reversed(runs):  # the oldest first, so that the newest has the last word
            page = self._instance.get_records_for_run(run.run_id, self._cursors.get(run.run_id))
            self._cursors[run.run_id] = page.cursor
            for record in page.records:
                self._apply(record.event_log_entry)
        return self._stages

    def busy(self) -> bool:
        """Whether any run that is followed is queued or going on."""
        wanted = dg.RunsFilter(run_ids=self._only, statuses=NOT_FINISHED_STATUSES)
        return self._instance.get_runs_count(wanted) > 0

    def widen(self) -> None:
        """Follow all runs that are created from now on: earlier ones are of earlier content."""
        self._only, self._since = None, _just_now()

    def _apply(self, entry: dg.EventLogEntry) -> None:
        """Fold one event into the states."""
        event, stages = entry.dagster_event, self._stages
        kind = event.event_type if event is not None else None
        if kind is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            key = event.asset_key.to_user_string() if event and event.asset_key else ""
            if key in stages:
                stages[key] = Stage("queued")
        elif kind is dg.DagsterEventType.RUN_FAILURE:
            # Where no step failed the run was cut off; the run-retry daemon starts it again.
            for stage in stages.values():
                if stage.status in ("queued", "running"):
                    stage.status, stage.note = "waiting", "cut off, to be started again"
        elif kind is dg.DagsterEventType.ASSET_CHECK_EVALUATION and event is not None:
            check = event.asset_check_evaluation_data
            stage = stages.get(check.asset_key.to_user_string())
            if stage and not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                stage.status = "failed"
                stage.note = (
                    f"its check {check.check_name} did not pass. "
                    f"{check.description or _figures_of(check)}"
                )
        elif entry.step_key in stages:
            self._apply_step(entry, stages[entry.step_key])

    @staticmethod
    def _apply_step(entry: dg.EventLogEntry, stage: Stage) -> None:
        event = entry.dagster_event
        if event is None:
            found = _PROGRESS.match(entry.user_message)
            if found:
                stage.share, stage.note = int(found[1]) / 100, found[2] or ""
        elif event.event_type is dg.DagsterEventType.STEP_START:
            stage.status = "running"
        elif event.event_type is dg.DagsterEventType.STEP_SUCCESS:
            stage.status, stage.share, stage.note = "done", 1.0, ""
        elif event.event_type is dg.DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            while error and error.cause:  # Dagster wraps what an asset raised
                error = error.cause
            stage.status, stage.note = (
                "failed",
                _reason((error.message if error else event.message) or ""),
            )


def _just_now() -> datetime:
    """With a second of slack, for the two clocks' rounding."""
    return datetime.now(timezone.utc) - timedelta(seconds=1)


def _figures_of(check: dg.AssetCheckEvaluation) -> str:
    """What a check without a sentence measured."""
    told = [f"{name}: {one.value}" for name, one in check.metadata.items() if name != LOOKED_AT]
    return "; ".join(told)


def _reason(message: str) -> str:
    """The last line of an error that says something, without the name of its class."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    return _CLASS.sub("", lines[-1]) if lines else "no reason was given"


def last_result(instance: dg.DagsterInstance, asset: str) -> StageResult:
    """What an asset's latest materialization made and how long its step took."""
    entry = instance.get_latest_materialization_event(dg.AssetKey(asset))
    if entry is None or entry.asset_materialization is None:
        return StageResult(None, None)
    rows = entry.asset_materialization.metadata.get("dagster/row_count")
    stats = instance.get_run_step_stats(entry.run_id, [asset])
    seconds = None
    if stats and stats[0].start_time and stats[0].end_time:
        seconds = stats[0].end_time - stats[0].start_time
    return StageResult(int(str(rows.value)) if rows else None, seconds)
