"""Children that are forked: each of one request, and none outlives whoever wanted it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from twin_matcher_dagster.media.child_nursery import ChildNursery
from twin_matcher_dagster.settings import PROJECT_ROOT, SAMPLE

MODULE = "twin_matcher_dagster.media.photo_process"
PHOTO = SAMPLE / "photos" / "mira.jpg"


@pytest.fixture(scope="module")
def nursery() -> Generator[ChildNursery]:
    made = ChildNursery(MODULE)
    yield made
    made._close_line()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def mother_of(nursery: ChildNursery) -> psutil.Process:
    assert nursery._mother
    return psutil.Process(nursery._mother.pid)


def test_each_request_has_a_process_of_its_own(nursery: ChildNursery) -> None:
    one, other = nursery.take(), nursery.take()
    assert one.pid != other.pid
    assert {one.pid, other.pid} <= {child.pid for child in mother_of(nursery).children()}
    nursery.end(one)
    assert not psutil.pid_exists(one.pid)
    assert psutil.pid_exists(other.pid)
    nursery.end(other)


def test_one_that_is_done_ends_and_says_so(nursery: ChildNursery) -> None:
    child = nursery.take()
    child.stdin.close()
    assert child.wait() == 0
    assert child.wait() == 0
    child.kill()  # whoever has its number now is left alone
    nursery.end(child)


@pytest.mark.skipif(sys.platform == "darwin", reason="there is no /proc")
def test_a_child_can_order_nothing(nursery: ChildNursery) -> None:
    child = nursery.take()
    opened: list[str] = []

    def has_pipes_alone() -> bool:
        opened[:] = [str(one.readlink()) for one in Path(f"/proc/{child.pid}/fd").iterdir()]
        return not [one for one in opened if one.startswith("socket:")]

    until(has_pipes_alone)  # before it reads anything
    nursery.end(child)
    assert len([one for one in opened if one.startswith("pipe:")]) >= 2


def test_a_mother_that_dies_is_replaced(nursery: ChildNursery) -> None:
    child = nursery.take()
    mother_of(nursery).kill()
    nursery.end(child)
    another = nursery.take()
    assert psutil.pid_exists(another.pid)
    nursery.end(another)


def test_nobody_is_left_when_whoever_wanted_them_is_killed() -> None:
    code = (
        "import time, pathlib; from twin_matcher_dagster.media.photos import PhotoReader\n"
        f"reader = PhotoReader(); reader.read(pathlib.Path({str(PHOTO)!r}))\n"
        "print(flush=True); time.sleep(99)"
    )
    page = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=PROJECT_ROOT)
    assert page.stdout
    page.stdout.readline()
    family = psutil.Process(page.pid).children(recursive=True)
    assert len(family) == 2
    page.kill()
    page.wait()
    until(lambda: not any(one.is_running() for one in family))
    page.stdout.close()
