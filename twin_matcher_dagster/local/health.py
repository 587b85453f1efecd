"""The question that each service is asked: a real one, which only what works can answer."""

from __future__ import annotations

import http.client
import json
import math
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.sign_in_token import authorization
from twin_matcher_dagster.storage.object_store import ObjectStore

Question = Callable[[float], None]
"""Asks a service whose process was started at a time (seconds since 1970); returns if it answers.

What is raised says that it does not; an :class:`UnknownError` that nobody can tell.
"""

ANSWER_SECONDS = 10.0
"""A service has so long to answer."""

LOCATION = "twin_matcher"
"""The code location, as workspace.yaml names it."""

# Each of Dagster's daemons notes a heartbeat every 30 s. One that is busy with a long tick is late,
# so the latest of all says whether the process lives, and a single one has longer.
_HEARTBEAT_S, _ONE_HEARTBEAT_S = 90, 900

# SeaweedFS stops writing where less than 1% of the disk is free.
_FREE_SHARE = 0.01

_WRITE_EVERY_S = 60

_STATE = """query($location: String!) {
  instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } }
  workspaceLocationEntryOrError(name: $location) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename } }
  }
}"""
_RELOAD = """mutation($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) { __typename }
}"""


class SilentError(Exception):
    """A service does not answer."""


class UnknownError(Exception):
    """Whether a service works cannot be told, because another one does not answer."""


class NoRoomError(Exception):
    """A service cannot work; starting it again would not help."""


def page_question(url: str) -> Question:
    """Whether a page answers. A store that is away is not the page's fault."""

    def ask(started: float) -> None:
        try:
            answer = _json(f"{url}/healthz")
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read())
        if answer["page"] != "ok":
            raise SilentError("is not well")

    return ask


def webserver_question(url: str, home: Path) -> Question:
    """Whether Dagster's webserver answers a query; a location that it could not load is reloaded.

    It reloads a location by itself when the code server comes back. For one that failed to load
    otherwise a person would have to click.

    Args:
        url: where it is.
        home: the state folder, with the token.
    """

    def ask(started: float) -> None:
        entry = _graphql(url, home, _STATE)["workspaceLocationEntryOrError"]
        loaded = entry.get("locationOrLoadError") or {}
        if loaded.get("__typename") == "PythonError":
            _graphql(url, home, _RELOAD)

    return ask


def daemon_question(url: str, home: Path) -> Question:
    """Whether Dagster's daemons give heartbeats, asked of the webserver, which reads them."""

    def ask(started: float) -> None:
        try:
            health = _graphql(url, home, _STATE)["instance"]["daemonHealth"]
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UnknownError from error
        now = time.time()
        ages = {
            status["daemonType"]: now - (status["lastHeartbeatTime"] or 0)
            for status in health["allDaemonStatuses"]
            if status["required"]
        }
        # What an earlier process noted does not count.
        if min(ages.values()) > min(_HEARTBEAT_S, now - started):
            raise SilentError("gives no heartbeat")
        late = [name for name, age in ages.items() if age > _ONE_HEARTBEAT_S]
        if late and now - started > _ONE_HEARTBEAT_S:
            raise SilentError(f"gives no heartbeat of {', '.join(late)}")

    return ask


def code_server_question(socket: Path) -> Question:
    """Whether the code server answers the health question of gRPC."""

    def ask(started: float) -> None:
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        with grpc.insecure_channel(f"unix:{socket}") as channel:
            request = health_pb2.HealthCheckRequest(service="DagsterApi")
            health_pb2_grpc.HealthStub(channel).Check(request, timeout=ANSWER_SECONDS)

    return ask


def store_question(variables: Mapping[str, str]) -> Question:
    """Whether the embedded S3 server takes an object and gives it back.

    It is asked to take one once a minute: SeaweedFS keeps a kilobyte of each write for good. On a
    full disk it fails writes or leaves them unanswered, and reads on.
    """
    home = variables["TWIN_MATCHER_HOME"]
    stores: list[ObjectStore] = []
    written: dict[float, float] = {}

    def ask(started: float) -> None:
        if not stores:  # a client costs more than its questions
            stores.append(embedded_s3.impatient_store(variables))
        now, disk = time.monotonic(), shutil.disk_usage(home)
        full = disk.free < _FREE_SHARE * disk.total
        if full or now - written.get(started, -math.inf) < _WRITE_EVERY_S:
            embedded_s3.read(stores[0])
        else:
            embedded_s3.read_and_write(stores[0])
            written.clear()
            written[started] = now
        if full:
            raise NoRoomError(f"cannot write: the disk of {home} is full")

    return ask


def _graphql(url: str, home: Path, query: str) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": {"location": LOCATION}}).encode()
    answer = _json(f"{url}/graphql", body, authorization(home))
    if not answer.get("data"):
        raise ValueError(f"no data in {str(answer)[:200]}")
    return answer["data"]


def _json(
    url: str, body: bytes | None = None, credentials: Mapping[str, str] | None = None
) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", **(credentials or {})}
    request = urllib.request.Request(url, body, headers)  # noqa: S310
    # A page's certificate is of the name that visitors know, and this is our own machine.
    with urllib.request.urlopen(  # noqa: S310
        request,
        timeout=ANSWER_SECONDS,
        context=ssl._create_unverified_context(),  # noqa: S323
    ) as answer:
        return json.loads(answer.read())
