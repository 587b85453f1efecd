"""Threads for what visitors ask, a few for each kind: whoever fills one leaves the others free.

Gradio has one queue for all events of a page, with a place for each that waits, and forty threads
for all that does not wait: fifty requests of one visitor kept everybody from erasing.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial, wraps
from typing import Any, TypeVar

import gradio as gr
from starlette.requests import Request

from twin_matcher_dagster import door_refusals
from twin_matcher_dagster.doors.entry import QUOTAS
from twin_matcher_dagster.doors.visitors import visitor_of
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.pages.catalogue import words_of
from twin_matcher_dagster.pages.refused import sentence_of_quota
from twin_matcher_dagster.release.tally import waiting
from twin_matcher_dagster.settings import Settings

MOST_WAITING = 60
"""Of all visitors, ten at their bound: whoever comes then is told to come back."""
_LOOK_EVERY_S = 0.25
_CANCELLATION = "cancellation"

_T = TypeVar("_T")


class BusyError(Exception):
    """Too many wait already."""


class GoneError(Exception):
    """Whoever waited has left."""


class Lane:
    """Does work in threads of its own.

    Those who wait come in turn visitor by visitor: one who asks for much waits for themselves.

    Args:
        name: of the threads, and in the figures.
        at_a_time: how many threads.
        each: how much one visitor may have under way and waiting; as the settings say by default.
        most: how much all may have waiting.
    """

    def __init__(
        self, name: str, at_a_time: int, each: int | None = None, most: int = MOST_WAITING
    ) -> None:
        self._name, self._free, self._most = name, at_a_time, most
        self._each = Settings().visitor_waiting if each is None else each
        self._threads = ThreadPoolExecutor(at_a_time, name)
        self._has: Counter[str] = Counter()
        self._turns: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._turns.values()))

    async def do(
        self,
        work: Callable[[], _T],
        visitor: str,
        is_gone: Callable[[], Awaitable[bool]],
        cancellation: Cancellation | None = None,
    ) -> _T:
        """Do something when its turn comes; never, if its visitor has left before.

        Args:
            work: it.
            visitor: for whom.
            is_gone: whether they left.
            cancellation: of the work, called when they leave while it is done.

        Raises:
            BusyError: too many wait.
            GoneError: they left before.
        """
        async with self._turn(visitor, is_gone):
            loop = asyncio.get_running_loop()
            doing = loop.run_in_executor(self._threads, work)
            while not (await asyncio.wait([doing], timeout=_LOOK_EVERY_S))[0]:
                if cancellation is not None and not cancellation and await is_gone():
                    cancellation.cancel()
            return await doing

    @asynccontextmanager
    async def _turn(
        self, visitor: str, is_gone: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[None]:
        if self._has[visitor] >= self._each or (not self._free and len(self) >= self._most):
            raise BusyError
        self._has[visitor] += 1
        try:
            if self._free:
                self._free -= 1
            else:
                with waiting(self._name):
                    await self._wait(visitor, is_gone)
            try:
                yield
            finally:
                self._pass_on()
        finally:
            self._has[visitor] -= 1
            if not self._has[visitor]:
                del self._has[visitor]

    async def _wait(self, visitor: str, is_gone: Callable[[], Awaitable[bool]]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.setdefault(visitor, deque()).append(turn)
        try:
            while not (await asyncio.wait([turn], timeout=_LOOK_EVERY_S))[0]:
                if await is_gone():
                    raise GoneError
        except BaseException:
            if turn.done():
                self._pass_on()
            else:
                self._leave(visitor, turn)
            raise

    def _leave(self, visitor: str, turn: asyncio.Future[None]) -> None:
        turns = self._turns[visitor]
        turns.remove(turn)
        if not turns:
            del self._turns[visitor]

    def _pass_on(self) -> None:
        """The next one's turn, of the visitor who has waited longest for one."""
        if not self._turns:
            self._free += 1
            return
        visitor, turns = self._turns.popitem(last=False)
        turns.popleft().set_result(None)
        if turns:
            self._turns[visitor] = turns

    def event(
        self, act: Callable[..., _T], quota: str | None = None
    ) -> Callable[..., Awaitable[_T]]:
        """An event of a page that is done in this lane, outside Gradio's queue and threads.

        Args:
            act: with a parameter ``request`` of Gradio's type; where it has a parameter
                ``cancellation`` it is told when its visitor leaves.
            quota: which of a visitor's it counts for.
        """
        signature = inspect.signature(act)
        kept = [one for one in signature.parameters.values() if one.name != _CANCELLATION]
        cancels = len(kept) < len(signature.parameters)
        shown = signature.replace(parameters=kept)

        @wraps(act)
        async def do(*given: Any) -> Any:
            request: gr.Request | None = shown.bind(*given).arguments.get("request")
            cancellation = Cancellation() if cancels else None
            more = {_CANCELLATION: cancellation} if cancels else {}
            visitor, is_gone = _who(request)
            _raise_if_spent(quota, visitor, request)
            try:
                return await self.do(partial(act, *given, **more), visitor, is_gone, cancellation)
            except (BusyError, GoneError):
                said = words_of(request).said(door_refusals.TOO_BUSY())
                raise gr.Error(said, print_exception=False) from None

        # Gradio looks for a component for each parameter.
        do.__signature__ = shown  # ty: ignore[missing-attribute]
        return do


def lane_for_words() -> Lane:
    """For what takes no time but the store's: words in another language, what is missing."""
    return Lane("words", 4, each=20)


def lane_for_status() -> Lane:
    """For whoever asks what became of an upload."""
    return Lane("status", 4)


def _raise_if_spent(quota: str | None, visitor: str, request: gr.Request | None) -> None:
    asked = request.request if request else None
    quotas = asked.scope.get(QUOTAS) if isinstance(asked, Request) else None
    if quota and quotas and (spent := quotas.take(quota, visitor)):
        said = words_of(request).said(sentence_of_quota(spent))
        raise gr.Error(said, print_exception=False)


def _who(request: gr.Request | None) -> tuple[str, Callable[[], Awaitable[bool]]]:
    """The visitor of an event, and whether they left."""
    asked = request.request if request else None
    if not isinstance(asked, Request):
        return "", _nobody_left
    return visitor_of(asked.scope), partial(has_left, asked)


async def has_left(request: Request) -> bool:
    """Whether whoever asked waits no more; of a request that was read to its end."""
    with suppress(RuntimeError):
        return await request.is_disconnected()
    return False


async def _nobody_left() -> bool:
    return False
