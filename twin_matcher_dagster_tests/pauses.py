"""A process that stops at a request to the store, and goes on later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import boto3
from botocore.awsrequest import AWSRequest

from twin_matcher_dagster.storage.object_store import ObjectStore

_T = TypeVar("_T")


@contextmanager
def paused_at(
    store: ObjectStore, operation: str, part: str, work: Callable[[ObjectStore], _T]
) -> Generator[Future[_T]]:
    """Begin work, which stops at its first request of a kind until the block ends.

    Args:
        store: the bucket; the work has a client of its own.
        operation: S3's name of the request, such as ``PutObject``.
        part: of the key that is asked for.
        work: what is begun.

    Yields:
        The result, which is there after the block.
    """
    client = boto3.client("s3")
    stopped, go_on = threading.Event(), threading.Event()

    def stop(request: AWSRequest, **_: Any) -> None:
        if part in str(request.url) and not stopped.is_set():
            stopped.set()
            assert go_on.wait(120)

    client.meta.events.register(f"before-send.s3.{operation}", stop)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work, ObjectStore(client, store.bucket))
        try:
            assert stopped.wait(60)
            yield result
        finally:
            go_on.set()
