"""What the command line says of a check that did not pass: why, with figures."""

from __future__ import annotations

import dagster as dg
import pytest

from twin_matcher_dagster.cli.run_watcher import Watcher
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.gates import LOOKED_AT
from twin_matcher_dagster.defs.results import refuse
from twin_matcher_dagster.errors import SourceError, TrainingError


@pytest.mark.parametrize(
    ("description", "note"),
    [
        ("Of 24 names 0 are left.", "did not pass. Of 24 names 0 are left."),
        (None, "did not pass. identities: 1; people: Ana"),
    ],
)
def test_a_check_says_why(description: str | None, note: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    metadata = {"identities": 1, "people": "Ana", LOOKED_AT: "f00"}

    @dg.asset(name=keys.BALANCED_FACES)
    def made() -> None: ...

    @dg.asset_check(asset=made, blocking=True)
    def enough() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description=description, metadata=metadata)

    watcher = Watcher(instance)
    dg.materialize([made, enough], instance=instance, raise_on_error=False)
    stage = watcher.stages()[keys.BALANCED_FACES]
    assert stage.status == "failed"
    assert stage.note == f"its check enough {note}"


@pytest.mark.parametrize(
    "error", [refuse(TrainingError("It did not learn.")), SourceError("It did not learn.")]
)
def test_what_an_asset_refuses_is_told_without_the_name_of_a_class(error: Exception) -> None:
    instance = dg.DagsterInstance.ephemeral()

    @dg.asset(name=keys.TWIN_MODEL)
    def made() -> None:
        raise error

    watcher = Watcher(instance)
    dg.materialize([made], instance=instance, raise_on_error=False)
    stage = watcher.stages()[keys.TWIN_MODEL]
    assert (stage.status, stage.note) == ("failed", "It did not learn.")


def test_a_run_of_earlier_content_is_no_concern() -> None:
    """It fails while the job that was launched goes on: that says nothing of what is made now."""
    instance = dg.DagsterInstance.ephemeral()

    @dg.asset(name=keys.TWIN_MODEL)
    def model() -> None:
        raise SourceError("It did not learn.")

    @dg.asset(name=keys.RAW_FACES)
    def raw() -> None: ...

    launched = dg.materialize([raw], instance=instance)
    watcher = Watcher(instance, launched.run_id)
    dg.materialize([model], instance=instance, raise_on_error=False)
    stages = watcher.stages()
    assert (stages[keys.RAW_FACES].status, stages[keys.TWIN_MODEL].status) == ("done", "waiting")
    watcher.widen()
    dg.materialize([model], instance=instance, raise_on_error=False)
    assert watcher.stages()[keys.TWIN_MODEL].status == "failed"
