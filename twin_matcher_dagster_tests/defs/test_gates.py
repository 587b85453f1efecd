"""A gate is open or closed by what its checks said of the content, whichever run they were in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.gates import LOOKED_AT, gate_state
from twin_matcher_dagster.reconciliation.facts import GateState

PATIENCE_SECONDS = 30


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One that two threads may run something in."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


class Gated:
    """An asset with a blocking check, and one that is made when it changes.

    The first run of the asset waits until ``let_go``; what it says is ``content``.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.content, self.good = "1", True
        self.began, self.let_go = threading.Event(), threading.Event()
        self._cursor = None

        @dg.asset
        def source() -> dg.MaterializeResult:
            if not self.began.is_set():
                self.began.set()
                assert self.let_go.wait(PATIENCE_SECONDS)
            return dg.MaterializeResult(data_version=dg.DataVersion(self.content))

        @dg.asset_check(asset=source, blocking=True)
        def is_good() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=self.good, metadata={LOOKED_AT: self.content})

        @dg.asset(deps=[source], automation_condition=when_inputs_change())
        def made_of_it() -> None: ...

        self.definitions = dg.Definitions([source, made_of_it], asset_checks=[is_good])
        self.tick()

    def run(self) -> None:
        """Materialize the asset with its check."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey("source")],
            raise_on_error=False,
        )

    def check(self) -> None:
        """Look with the check alone."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        key = dg.AssetCheckKey(dg.AssetKey("source"), "is_good")
        subset = job.get_subset(asset_check_selection={key}, asset_selection=set())
        assert subset.execute_in_process(instance=self.instance).success

    def make_without_checks(self) -> None:
        """As a run leaves it that is cut off after the asset."""
        tags = {DATA_VERSION_TAG: self.content}
        self.instance.report_runless_asset_event(dg.AssetMaterialization("source", tags=tags))

    def state(self) -> GateState:
        """What the checks said of the content that there is now."""
        key = dg.AssetCheckKey(dg.AssetKey("source"), "is_good")
        return gate_state(self.instance, [key], self.content)

    def tick(self) -> int:
        """How much one evaluation of the condition asks for."""
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, cursor=self._cursor
        )
        self._cursor = result.cursor
        return result.total_requested


def test_two_runs_at_once_do_not_close_the_gate(on_disk: dg.DagsterInstance) -> None:
    """As after Ctrl-C in the demo: the retry of the cut run beside the job that is launched anew.

    The run that began first ends last: its materialization is the newest, and the newest execution
    of the check is the other run's. Dagster's own condition then never passes again.
    """
    gated = Gated(on_disk)
    retry = threading.Thread(target=gated.run)
    retry.start()
    assert gated.began.wait(PATIENCE_SECONDS)
    gated.run()
    gated.let_go.set()
    retry.join(PATIENCE_SECONDS)
    assert gated.tick() == 1


def test_one_run_opens_the_gate_and_a_failed_check_closes_it(
    instance: dg.DagsterInstance,
) -> None:
    gated = Gated(instance)
    gated.let_go.set()
    gated.run()
    assert gated.tick() == 1
    gated.content, gated.good = "2", False
    gated.run()
    assert gated.tick() == 0
    assert gated.state() == GateState(failed=("is_good did not pass.",))
    # Back to what passed: what was said of it holds.
    gated.content = "1"
    gated.make_without_checks()
    assert gated.state() == GateState()


def test_a_run_that_was_cut_off_before_its_checks_is_healed_by_them(
    instance: dg.DagsterInstance,
) -> None:
    gated = Gated(instance)
    gated.make_without_checks()
    assert gated.tick() == 0
    assert gated.state() == GateState(unchecked=("is_good",))
    gated.check()  # as the reconciliation has it done
    assert gated.tick() == 1


def test_a_check_of_an_earlier_version_says_nothing_of_this_one(
    instance: dg.DagsterInstance,
) -> None:
    gated = Gated(instance)
    gated.let_go.set()
    gated.run()
    gated.content = "2"
    gated.make_without_checks()
    assert gated.tick() == 0
    assert gated.state() == GateState(unchecked=("is_good",))
