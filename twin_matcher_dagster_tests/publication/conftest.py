"""A Hub server and a client process for all these tests; each begins with an empty Hub."""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.schema import SPLITS
from twin_matcher_dagster.storage.logs import balanced_versions
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests import hub_server
from twin_matcher_dagster_tests.hub_server import OWNER, HubServer
from twin_matcher_dagster_tests.kit import RECOGNISER, Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.publication import client

Client = Callable[..., Any]


@pytest.fixture(scope="session")
def hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """The server."""
    with hub_server.running(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def hub(hub_process: HubServer) -> HubServer:
    """The server, which has nothing and does not fail."""
    hub_process.forget()
    return hub_process


@pytest.fixture(scope="session")
def _clients(
    _aws: None, hub_process: HubServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], ProcessPoolExecutor]]:
    """Makes pools of processes that know the server's address before they import a library."""
    pools = []

    def make(count: int) -> ProcessPoolExecutor:
        # A pool starts its processes when it needs them: the last of them at any later moment.
        pool = ProcessPoolExecutor(
            count,
            multiprocessing.get_context("spawn"),
            initializer=client.point_at,
            initargs=(hub_process.variables(tmp_path_factory.mktemp("hf")),),
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.shutdown()


@pytest.fixture(scope="session")
def worker(_clients: Callable[[int], ProcessPoolExecutor]) -> ProcessPoolExecutor:
    """The client process."""
    return _clients(1)


@pytest.fixture
def run(worker: ProcessPoolExecutor) -> Client:
    """Runs a function of ``client`` in the client process, and gives or raises what it does."""

    def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return worker.submit(function, *args, **options).result(120)

    call(client.configure, 60, 60, OWNER)
    return call


@pytest.fixture(scope="session")
def three_celebrities() -> Kit:  # read it only
    """A bucket in memory with what the recogniser says of them."""
    made = Kit(memory_bucket())
    made.celebrities("Ana Luz", "Bob Stone", "Zoë Ñandú", faces=6, splits=SPLITS)
    for shard in balanced_versions(made.store).existing_head().record.shards:
        read_with_vectors(made.store, shard, RECOGNISER)
    return made


@pytest.fixture
def kit(store: ObjectStore, three_celebrities: Kit) -> Kit:
    """A bucket with three celebrities."""
    return three_celebrities.copied(store)


@pytest.fixture
def repo(request: pytest.FixtureRequest) -> str:
    """A repository id of this test's own: caches are by id."""
    return f"tests/{zlib.crc32(request.node.nodeid.encode()):x}"
