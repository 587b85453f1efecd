"""Whoever fills one lane leaves the others free, and waits behind themselves alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.pages import lanes
from twin_matcher_dagster.pages.lanes import BusyError, GoneError, Lane


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_LOOK_EVERY_S", 0.01)


async def here() -> bool:
    return False


async def gone() -> bool:
    return True


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(6000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never came")


async def full(lane: Lane, hold: threading.Event, visitor: str) -> asyncio.Task[Any]:
    """Work in the only thread of a lane, until it may end."""
    begun = threading.Event()

    def work() -> None:
        begun.set()
        hold.wait(60)

    task = asyncio.create_task(lane.do(work, visitor, here))
    await until(begun.is_set)
    return task


def test_turns_go_round_the_visitors() -> None:
    async def run() -> list[str]:
        lane, hold, done = Lane("a", 1), threading.Event(), list[str]()
        tasks = [await full(lane, hold, "greedy")]
        for name in ("greedy 1", "greedy 2", "greedy 3", "other 1", "third 1"):
            work = partial(done.append, name)
            tasks.append(asyncio.create_task(lane.do(work, name.split()[0], here)))
            await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(*tasks)
        assert len(lane) == 0
        return done

    done = asyncio.run(run())
    assert done == ["greedy 1", "other 1", "third 1", "greedy 2", "greedy 3"]


def test_one_visitor_has_so_many_and_so_have_all() -> None:
    async def run() -> None:
        lane, hold = Lane("a", 1, each=3, most=4), threading.Event()
        tasks = [await full(lane, hold, "greedy")]
        for name in ("greedy", "greedy", "b", "c"):
            tasks.append(asyncio.create_task(lane.do(int, name, here)))
            await asyncio.sleep(0)
        for name in ("greedy", "d"):
            with pytest.raises(BusyError):
                await lane.do(int, name, here)
        hold.set()
        assert await asyncio.gather(*tasks) == [None, 0, 0, 0, 0]
        assert await lane.do(int, "greedy", here) == 0

    asyncio.run(run())


def test_who_left_is_dropped_and_takes_nobodys_turn() -> None:
    async def run() -> None:
        lane, hold, done = Lane("a", 1), threading.Event(), list[str]()
        first = await full(lane, hold, "a")
        with pytest.raises(GoneError):
            await lane.do(partial(done.append, "gone"), "b", gone)
        waiting = asyncio.create_task(lane.do(partial(done.append, "here"), "b", here))
        hold.set()
        await asyncio.gather(first, waiting)
        assert done == ["here"]
        assert await lane.do(int, "c", here) == 0

    asyncio.run(run())


def test_who_leaves_while_it_is_done_has_it_cancelled() -> None:
    async def run() -> None:
        cancellation, stopped = Cancellation(), threading.Event()

        def work() -> bool:
            with cancellation.stopping(stopped.set):
                return stopped.wait(60)

        assert await Lane("a", 1).do(work, "a", gone, cancellation)

    asyncio.run(run())


def test_an_error_gives_the_turn_back() -> None:
    async def run() -> None:
        lane = Lane("a", 1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane.do(lambda: 1 // 0, "a", here)
        assert await lane.do(int, "a", here) == 0

    asyncio.run(run())
