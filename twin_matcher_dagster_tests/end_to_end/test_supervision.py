"""All real services, each killed: it answers again, the others stay, and no run hangs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.utils import make_new_run_id
from dagster_shared.record import copy

from twin_matcher_dagster.cli.runs import launch_job
from twin_matcher_dagster.defs.keys import CELEBRITIES_JOB
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.local.supervisor import Supervisor
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.end_to_end.processes import processes_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PATIENCE = 300
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


class Machine:
    """The services of an installation without a release, and what was said of them."""

    def __init__(self, home: Path, supervisor: Supervisor, settings: Settings) -> None:
        self.home = home
        self.supervisor = supervisor
        self.settings = settings
        self.said: list[str] = []

    def processes(self, service: str) -> list[psutil.Process]:
        """The service and all that it started, the first first."""
        return processes_of(self.home, service)

    def first_processes(self) -> dict[str, int]:
        """Of each service the process that was started for it."""
        names = services.names(self.settings)
        return {name: self.processes(name)[0].pid for name in names}

    def wait_until(self, so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.5)

    def wait_for(self, sentence: str, times: int = 1) -> None:
        self.wait_until(lambda: sum(sentence in one for one in self.said) >= times)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, small_source: Path) -> Iterator[Machine]:
    ports = HeldPorts(4)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("AWS_", "TWIN_MATCHER", "COVERAGE_")):
                patch.delenv(name)
        patch.setenv("TWIN_MATCHER_HOME", str(tmp_path_factory.mktemp("machine") / "home"))
        patch.setenv("RAW_FACES", str(small_source))
        patch.setenv("EPOCHS", "1")
        for name, port in zip(("S3", "DAGSTER", "UPLOAD", "PREDICT"), ports.numbers, strict=True):
            patch.setenv(f"{name}_PORT", str(port))
        settings = Settings()
        with services.exclusive_home(settings) as home:
            variables = environment(settings)
            for name, value in variables.items():
                patch.setenv(name, value)
            said: list[str] = []
            wanted = services.names(settings)
            with services.running(wanted, variables, home / "up.log", said.append) as supervisor:
                supervisor.wait_until_ready()
                made = Machine(home, supervisor, settings)
                made.said = said
                yield made
    ports.release()


@pytest.mark.parametrize("service", ["s3", "code", "daemon", "dagster", "upload", "predict"])
def test_a_service_that_is_killed_answers_again_and_the_others_stay(
    machine: Machine, service: str
) -> None:
    machine.said.clear()
    before = machine.first_processes()
    os.kill(before[service], signal.SIGKILL)
    machine.wait_for(f"{service} was ended by SIGKILL; it is started again in")
    machine.wait_for(f"{service} answers again")
    after = machine.first_processes()
    assert after.pop(service) != before.pop(service)
    assert after == before


def test_a_daemon_that_hangs_is_started_again(machine: Machine) -> None:
    machine.said.clear()
    before = machine.first_processes()
    os.kill(before["daemon"], signal.SIGSTOP)
    machine.wait_for("daemon gives no heartbeat")
    machine.wait_for("daemon answers again")
    after = machine.first_processes()
    assert after.pop("daemon") != before.pop("daemon")
    assert after == before


@pytest.mark.parametrize("killed", ["code", "run", "daemon"])
def test_a_run_that_loses_its_process_is_started_again(machine: Machine, killed: str) -> None:
    """However the process goes, the run does not stay "started", and its work is done."""
    machine.said.clear()
    with dg.DagsterInstance.get() as instance:
        seen = {run.run_id for run in instance.get_runs()}

        def fresh() -> list[dg.DagsterRun]:
            """The runs of the job from now on; the automation has others."""
            of_job = instance.get_runs(dg.RunsFilter(job_name=CELEBRITIES_JOB))
            return [run for run in of_job if run.run_id not in seen]

        launch_job(machine.settings, CELEBRITIES_JOB)
        machine.wait_until(lambda: any(run.status.value == "STARTED" for run in fresh()))
        cut = next(run for run in fresh() if run.status.value == "STARTED")
        if killed == "run":
            for process in machine.processes("code")[1:]:
                process.kill()
        else:
            os.kill(machine.first_processes()[killed], signal.SIGKILL)
            machine.wait_for(f"{killed} answers again")
        if killed != "daemon":  # it is not what carries a run
            machine.wait_until(lambda: status(instance, cut.run_id) == "FAILURE")
        machine.wait_until(lambda: not any(run.status in UNFINISHED for run in fresh()))
        machine.wait_until(lambda: any(run.status.value == "SUCCESS" for run in fresh()))


def test_what_is_queued_while_the_code_server_is_away_waits_for_it(machine: Machine) -> None:
    """It is not failed for good, as by Dagster's defaults; and nobody has to click Reload."""
    machine.said.clear()
    with dg.DagsterInstance.get() as instance:
        launch_job(machine.settings, CELEBRITIES_JOB)
        (model,) = instance.get_runs(dg.RunsFilter(job_name=CELEBRITIES_JOB), limit=1)
        os.kill(machine.first_processes()["code"], signal.SIGKILL)
        fresh = {"run_id": make_new_run_id(), "status": dg.DagsterRunStatus.NOT_STARTED}
        queued = instance.add_run(copy(model, **fresh))
        instance.report_dagster_event(dg.DagsterEvent.job_enqueue(queued), queued.run_id)
        machine.wait_for("code answers again")
        machine.wait_until(lambda: status(instance, queued.run_id) == "SUCCESS")


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status.value
