"""The supervisor, on small services that are real processes: what ends or is silent comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import health, kept_service, supervisor
from twin_matcher_dagster.local.health import NoRoomError, UnknownError
from twin_matcher_dagster.local.kept_service import Patience, Service
from twin_matcher_dagster.local.leftovers import CHILD_MARK, stop_leftovers
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.local.supervisor import Supervisor
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster_tests.local import small_service

# A small service of a busy machine answers within the time that it is silent for.
QUICK = Patience(
    asked_every=0.1, silent=3, starting=3, stopping=1, restart=0.05, longest_restart=0.4
)


def wait_until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Small:
    """One small service, and what its processes noted."""

    def __init__(self, home: Path, name: str, port: int, *needs: str) -> None:
        self.folder = home / name
        self.folder.mkdir()
        question = health.page_question(f"http://127.0.0.1:{port}")
        command = ["python", "-m", small_service.__name__, str(port), str(self.folder)]
        self.service = Service(name, command, question, frozenset(needs))

    def told(self, mode: str) -> None:
        (self.folder / mode).touch()

    def pids(self) -> list[tuple[int, int]]:
        """Of each start the process and its child."""
        noted = self.folder / "pids"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


class Stage:
    """A state folder with small services, and what was said of them."""

    def __init__(self, home: Path, ports: list[int]) -> None:
        self.home = home
        self.first = Small(home, "first", ports[0])
        self.second = Small(home, "second", ports[1], "first")
        self.said: list[str] = []

    def supervisor(self, *services: Service, patience: Patience = QUICK) -> Supervisor:
        variables = {**os.environ, CHILD_MARK: str(self.home), "PYTHONPATH": str(PROJECT_ROOT)}
        chosen = services or (self.first.service, self.second.service)
        log = self.home / "log"
        return Supervisor(chosen, variables, self.home, log, self.said.append, patience)

    def heard(self, *words: str) -> int:
        """How many sentences with these words were said."""
        return sum(all(word in sentence for word in words) for sentence in self.said)

    def wait_for(self, *words: str, times: int = 1) -> None:
        """Wait until it is said so often."""
        deadline = time.monotonic() + 60
        while self.heard(*words) < times:
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(kept_service, "PROGRESS_CPU_SECONDS", 0.1)
    ports = HeldPorts(2)
    made = Stage(tmp_path, ports.numbers)
    yield made
    left = [pid for small in (made.first, made.second) for pair in small.pids() for pid in pair]
    assert not any(map(alive, left))
    ports.release()


def test_what_is_killed_comes_back_alone(stage: Stage) -> None:
    keeper = stage.supervisor()
    keeper.start()
    keeper.wait_until_ready()
    for small, other in ((stage.first, stage.second), (stage.second, stage.first)):
        before, others = small.pids(), other.pids()
        process, child = before[-1]
        answered = stage.heard(small.service.name, "answers again")
        os.kill(process, signal.SIGKILL)
        stage.wait_for(small.service.name, "answers again", times=answered + 1)
        assert len(small.pids()) == len(before) + 1
        assert not alive(child)  # what it had started went with it
        assert other.pids() == others
        assert alive(others[-1][0])
    keeper.stop()
    assert stage.heard("first was ended by SIGKILL", "started again")
    assert "second was ended by SIGKILL" in (stage.home / "log").read_text()


def test_what_does_not_answer_is_started_again(stage: Stage) -> None:
    keeper = stage.supervisor()
    keeper.start()
    keeper.wait_until_ready()
    os.kill(stage.second.pids()[0][0], signal.SIGSTOP)
    stage.wait_for("second answers again")
    assert stage.heard("second does not answer for")
    assert len(stage.second.pids()) == 2
    assert len(stage.first.pids()) == 1
    keeper.stop()


def test_one_that_needs_another_waits_for_it_and_is_stopped_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.first.told("busy")
    keeper = stage.supervisor(patience=Patience(asked_every=0.1))
    keeper.start()
    wait_until(lambda: bool(stage.first.pids()))
    time.sleep(0.5)
    assert not stage.second.pids()
    (stage.first.folder / "busy").unlink()
    keeper.wait_until_ready()
    stopped = []
    monkeypatch.setattr(
        supervisor,
        "stop_leftovers",
        lambda home, names, patience: stopped.append(names) or stop_leftovers(home, names),
    )
    keeper.stop()
    assert stopped == [["second"], ["first"]]


def test_a_busy_start_is_waited_for_and_an_idle_one_is_not(stage: Stage) -> None:
    stage.first.told("busy")
    keeper = stage.supervisor(stage.first.service)
    keeper.start()
    time.sleep(QUICK.starting + 1)
    assert stage.said == []
    stage.first.told("idle")
    (stage.first.folder / "busy").unlink()
    stage.wait_for("first does not answer for")
    (stage.first.folder / "idle").unlink()
    keeper.wait_until_ready()
    keeper.stop()


def test_one_that_cannot_start_is_an_error_with_its_last_word(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "START_TRIES", 2)
    stage.second.told("dies")
    keeper = stage.supervisor()
    keeper.start()
    with pytest.raises(ServicesError, match=r"second could not be started.*no such backbone"):
        keeper.wait_until_ready()
    keeper.stop()
    assert len(stage.first.pids()) == 1


def test_a_command_that_is_not_there_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_TRIES", 2)
    keeper = stage.supervisor(Service("first", ["no-such-program"], lambda started: None))
    keeper.start()
    with pytest.raises(ServicesError, match="first could not be started"):
        keeper.wait_until_ready()
    keeper.stop()
    assert stage.heard("could not be started", "no-such-program")


@pytest.mark.parametrize("error", [NoRoomError("cannot write: the disk is full"), UnknownError()])
def test_what_a_start_would_not_mend_is_not_started_again(stage: Stage, error: Exception) -> None:
    asked: list[float] = []

    def ask(started: float) -> None:
        asked.append(started)
        if len(asked) > 1:
            raise error

    keeper = stage.supervisor(Service("first", stage.first.service.command, ask))
    keeper.start()
    keeper.wait_until_ready()
    seen = len(asked) + 15
    wait_until(lambda: len(asked) > seen)
    keeper.stop()
    assert stage.said == (["first cannot write: the disk is full."] if str(error) else [])
    assert len(stage.first.pids()) == 1


def test_pauses_double_up_to_a_minute() -> None:
    pauses = [Patience().pause_before_start(failures) for failures in range(1, 10)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_who_answered_for_long_enough_starts_with_the_first_pause_again(stage: Stage) -> None:
    keeper = stage.supervisor(stage.first.service)
    keeper.start()
    keeper.wait_until_ready()
    for starts in (1, 2):
        wait_until(lambda: keeper._kept["first"].failures == 0)
        os.kill(stage.first.pids()[-1][0], signal.SIGKILL)
        stage.wait_for("answers again", times=starts)
    keeper.stop()
    assert not stage.heard("started again in 0.1 s")
    assert stage.heard("started again in 0.05 s") == 2
