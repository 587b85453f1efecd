"""A Hub server and a client process for all these tests; each has repositories of its own."""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from twin_matcher_dagster.dataset.schema import SPLITS
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests import hub_server
from twin_matcher_dagster_tests.hub_server import OWNER, HubServer
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.publication import client

Client = Callable[..., Any]


@pytest.fixture(scope="session")
def hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """The server."""
    with hub_server.running(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def hub(hub_process: HubServer) -> HubServer:
    """The server, which has seen nothing yet and does not fail."""
    hub_process.forget_requests()
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
def _worker(_clients: Callable[[int], ProcessPoolExecutor]) -> ProcessPoolExecutor:
    return _clients(1)


@pytest.fixture
def run(_worker: ProcessPoolExecutor) -> Client:
    """Runs a function of ``client`` in the client process, and gives or raises what it does."""

    def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return _worker.submit(function, *args, **options).result(120)

    call(client.configure, 60, 60, OWNER)
    return call


@pytest.fixture
def kit(store: ObjectStore, repo: str) -> Kit:
    """A bucket with three celebrities; every test has faces of its own."""
    made = Kit(store, int(repo.rpartition("/")[2], 16))
    made.celebrities("Ana Luz", "Bob Stone", "Zoë Ñandú", faces=6, splits=SPLITS)
    return made


@pytest.fixture
def repo(request: pytest.FixtureRequest) -> str:
    """A repository id of this test's own: caches are by id."""
    return f"tests/{zlib.crc32(request.node.nodeid.encode()):x}"
