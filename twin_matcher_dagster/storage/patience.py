"""How long S3 is waited for: a page has an answer within seconds, a run waits until S3 is back.

Both are S3 clients around boto3's, whose own limits do not do. Its time limit is between two bytes,
so an answer that trickles has none; its retries end within a minute, and an object's body, which is
read after its request, is not tried again at all.
"""

from __future__ import annotations

import io
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from twin_matcher_dagster.storage.answers import is_away

MOST_HANGING = 16
"""Requests that are asked in time at once. A trickling answer is left to itself, and may go on for
long; when so many do, nobody else is asked until one has ended."""

LONGEST_WAIT_S, LONGEST_REFUSAL_S = 3600.0, 600.0
"""A run fails when S3 does not answer, or refuses, for longer: that is seen, and it is launched
again. Where S3 does not answer, no other run could use this one's place; where it has no room, an
erasure might make some."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0

_THREADS = ThreadPoolExecutor(MOST_HANGING, "s3")

# What the next page of a listing is asked with, and what it is called in the page before.
_NEXT = {
    "list_objects_v2": {"ContinuationToken": "NextContinuationToken"},
    "list_object_versions": {
        "KeyMarker": "NextKeyMarker",
        "VersionIdMarker": "NextVersionIdMarker",
    },
}


class _AskingClient:
    """A client whose requests :meth:`_ask` makes; an answer is all there when it returns.

    Args:
        client: boto3's.
    """

    def __init__(self, client: Any) -> None:
        self.inner = client

    @abstractmethod
    def _ask(self, request: Callable[[], Any]) -> Any:
        """Make a request, or the same again."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not callable(method):
            return method
        return lambda **request: self._ask(lambda: _whole(method(**request)))

    def get_paginator(self, operation: str) -> _Paginator:
        """As boto3's, whose own cannot be asked again for a page that failed."""
        return _Paginator(self, operation)


class _Paginator:
    def __init__(self, client: _AskingClient, operation: str) -> None:
        self._list, self._next = getattr(client, operation), _NEXT[operation]

    def paginate(self, *, PaginationConfig: Any = None, **request: Any) -> Iterator[Any]:  # noqa: N803
        """The pages of a listing."""
        if size := (PaginationConfig or {}).get("PageSize"):
            request["MaxKeys"] = size
        while True:
            page = self._list(**request)
            yield page
            if not page.get("IsTruncated"):
                return
            request.update({ours: page[theirs] for ours, theirs in self._next.items()})


class PromptClient(_AskingClient):
    """Answers within a time, all requests together, or raises.

    Args:
        client: boto3's.
        seconds: from now on, and anew from each :meth:`renew`.
    """

    def __init__(self, client: Any, seconds: float) -> None:
        super().__init__(client)
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin the time anew: something was done, and whoever waits sees that."""
        self._deadline = time.monotonic() + self._seconds

    def _ask(self, request: Callable[[], Any]) -> Any:
        left = self._deadline - time.monotonic()
        if left > 0:
            asked = _THREADS.submit(request)
            try:
                return asked.result(left)
            except FutureTimeoutError:
                asked.cancel()  # it may still wait for its turn
        raise ReadTimeoutError(endpoint_url=self.inner.meta.endpoint_url)


class WaitingClient(_AskingClient):
    """Asks again, ever less often, until S3 answers; what S3 refuses it raises at once.

    A request that was done, and whose answer was lost, is made a second time: a conditional write
    then finds what it wrote itself.

    Args:
        client: boto3's.
        tell: is told at each try that S3 is waited for.
    """

    def __init__(self, client: Any, tell: Callable[[str], None]) -> None:
        super().__init__(client)
        self._tell = tell

    def _ask(self, request: Callable[[], Any]) -> Any:
        began, pause = time.monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                return request()
            except Exception as error:
                waited = time.monotonic() - began
                longest = LONGEST_REFUSAL_S if isinstance(error, ClientError) else LONGEST_WAIT_S
                if not is_away(error) or waited > longest:
                    raise
                self._tell(f"S3 is waited for, {waited:.0f} s by now: {error}")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _whole(answer: Any) -> Any:
    """An answer with its body read, if it has one."""
    if isinstance(answer, dict) and "Body" in answer:
        answer["Body"] = io.BytesIO(answer["Body"].read())
    return answer
