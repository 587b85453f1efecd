"""What waits, as an operator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.live_work import last_failure
from twin_matcher_dagster.reconciliation.facts import Work
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import Missing
from twin_matcher_dagster.storage.fingerprint import fingerprint

CHECK = "everything_is_where_it_should_be"
_SHOWN = 50
# The event log keeps every evaluation.
_TOLD_EVERY, _TOLD_EVERY_WHILE_SOMETHING_WAITS = timedelta(hours=1), timedelta(minutes=10)
_WORDS = {
    "judge": "verdict on the upload {}",
    "make": "{}",
    "check": "blocking checks of {}",
    "erase": "{}",
    "lease": "release of {}",
}


def evaluation_of(
    instance: dg.DagsterInstance, missing: Sequence[Missing], now: datetime
) -> dg.AssetCheckEvaluation:
    """The result of the check, as the sensor reports it: no run is needed to look."""
    return evaluated(CHECK, result_of(instance, missing, now))


def evaluated(check: str, result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """A result of a check of the release, as a sensor reports it.

    Args:
        check: its name.
        result: what a run of it would say.
    """
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(keys.PRODUCTION_RELEASE),
        check_name=check,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
    )


def result_of(
    instance: dg.DagsterInstance, missing: Sequence[Missing], now: datetime
) -> dg.AssetCheckResult:
    """Red where something waits for longer than its limit; with the table of all that waits."""
    late = [one for one in missing if one.too_long]
    shown = sorted(missing, key=lambda one: (not one.too_long, one.since))[:_SHOWN]
    table = dg.MetadataValue.table(
        [_line(instance, one, now) for one in shown],
        schema=dg.TableSchema(
            [dg.TableColumn(name) for name in ("missing", "since", "is", "tries", "why")]
        ),
    )
    return dg.AssetCheckResult(
        passed=not late,
        description=in_a_sentence(missing),
        metadata={"waiting": len(missing), "for too long": len(late), "what waits": table},
    )


def _line(instance: dg.DagsterInstance, one: Missing, now: datetime) -> dg.TableRecord:
    minutes = max(0.0, (now - one.since).total_seconds() / 60)
    state = one.state if one.due is None or one.due <= now else f"due at {one.due:%H:%M:%S} UTC"
    failed = last_failure(instance, one.work) if one.tries else ""
    return dg.TableRecord(
        {
            "missing": work_in_words(one.work),
            "since": f"{one.since:%Y-%m-%d %H:%M:%S} UTC, {minutes:.0f} minutes",
            "is": state,
            "tries": one.tries,
            "why": f"{one.why}; {failed}" if failed else one.why,
        }
    )


def work_in_words(work: Work) -> str:
    """What a run has to do, as it is called where something is missing."""
    return _WORDS[work.kind].format(work.subject)


def in_a_sentence(missing: Sequence[Missing]) -> str:
    """How much waits."""
    if not missing:
        return "Everything is where it should be."
    late = sum(one.too_long for one in missing)
    uploads = sum(one.work.kind == "judge" for one in missing)
    others = sorted({one.work.subject for one in missing if one.work.kind != "judge"})
    parts = [f"{uploads} uploads wait for a verdict"] * bool(uploads) + others
    return f"{'; '.join(parts)}. {late} of {len(missing)} for longer than the limit."


def mark_of(missing: Sequence[Missing]) -> str:
    """The same for as long as the same waits for too long."""
    return fingerprint(*sorted(f"{one.work}" for one in missing if one.too_long))


def is_told_again(ledger: Ledger, missing: Sequence[Missing], now: datetime) -> bool:
    """Whether the check is evaluated again: something came to wait too long, or no longer does, or
    it is time."""
    if ledger.told_at is None or ledger.told != mark_of(missing):
        return True
    pause = _TOLD_EVERY_WHILE_SOMETHING_WAITS if missing else _TOLD_EVERY
    return not ledger.told_at <= now < ledger.told_at + pause
