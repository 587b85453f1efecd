"""A step that an error ended is done again; one that was stopped is not."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from twin_matcher_dagster.defs import results
from twin_matcher_dagster.defs.results import TRIES, refuse, retried
from twin_matcher_dagster.errors import StorageError, StoreAwayError, TrainingError


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "SECONDS_BETWEEN_TRIES", 0)


def run(errors: list[BaseException]) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """Materialize an asset that raises one error after the other, and then ends well."""
    left: Iterator[BaseException] = iter(errors)

    @dg.asset
    @retried()
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        for error in left:
            raise error
        return dg.MaterializeResult(metadata={"try": context.retry_number})

    result = dg.materialize([made], raise_on_error=False)
    return result, [event.event_type_value for event in result.all_events]


def test_the_store_may_be_away_for_a_moment() -> None:
    result, _ = run([StorageError("away"), ConnectionError("reset")])
    (made,) = result.asset_materializations_for_node("made")
    assert made.metadata["try"].value == 2


def test_what_does_not_end_well_in_time_fails_with_its_reason() -> None:
    result, events = run([StorageError(f"away {number}") for number in range(9)])
    assert not result.success
    assert events.count("STEP_RESTARTED") == TRIES
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert f"away {TRIES}" in str(failure.step_failure_data.error)


@pytest.mark.parametrize(
    "error",
    [
        DagsterExecutionInterruptedError(),
        refuse(TrainingError("no")),
        StoreAwayError("long"),
    ],
)
def test_what_was_stopped_refused_or_waited_for_does_not_begin_again(error: BaseException) -> None:
    _, events = run([error])
    assert "STEP_FAILURE" in events
    assert "STEP_UP_FOR_RETRY" not in events
