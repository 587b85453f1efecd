"""A request to ``/graphql``, read once: what is judged here is what Dagster is handed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import QueryParams

from twin_matcher_dagster.access.addresses import Denial, Scope, values_of
from twin_matcher_dagster.access.operations import DocumentError, ids_in, mutations_of

Receive = Callable[[], Awaitable[Any]]

LARGEST_BODY = 8_000_000
"""Bytes. A launch of 10,000 partitions has 1 MB."""
SLOWEST_BODY = 30.0
"""Seconds."""


class RefusedError(Exception):
    """A request is not handed on.

    Attributes:
        denial: why.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.denial = Denial(status, reason)


@dataclass(frozen=True)
class Asked:
    """What somebody asks of GraphQL.

    Attributes:
        mutations: names of all that would change something.
        about: ids that are named in it.
        body: as Dagster is handed it; None for a request without one.
    """

    mutations: tuple[str, ...] = ()
    about: tuple[str, ...] = field(default=())
    body: bytes | None = None


async def read_graphql(scope: Scope, receive: Receive) -> Asked:
    """Read a request.

    Raises:
        RefusedError: it is in none of the forms that are taken, or would change something by GET.
    """
    if scope["method"] != "POST":
        return _read_address(scope)
    kind = (values_of(scope, "content-type") or [""])[0].partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/graphql"):
        # A form, or text, is what any web page can send anywhere. Dagster then runs what is in the
        # address.
        raise RefusedError(415, "GraphQL is taken as application/json.")
    body = await read_body(receive, LARGEST_BODY)
    try:
        asked = {"query": body.decode()} if kind == "application/graphql" else json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "The body is no JSON.") from None
    if not isinstance(asked, Mapping):
        raise RefusedError(400, "One operation is taken at a time, as a JSON object.")
    variables = asked.get("variables")
    if isinstance(variables, str):
        try:
            variables = json.loads(variables)
        except (ValueError, RecursionError):
            raise RefusedError(400, "The variables are no JSON.") from None
    handed_on = {
        "query": asked.get("query"),
        "variables": variables,
        "operationName": asked.get("operationName"),
    }
    mutations = names_of(asked.get("query"))
    about = ids_in(asked["query"], variables) if mutations else ()
    return Asked(mutations, about, json.dumps(handed_on).encode())


def names_of(query: object) -> tuple[str, ...]:
    """The mutations of a document.

    Raises:
        RefusedError: it is none.
    """
    try:
        return mutations_of(query)
    except DocumentError as error:
        raise RefusedError(400, str(error)) from error


async def read_body(receive: Receive, most: int) -> bytes:
    """A whole body.

    Raises:
        RefusedError: it is too large, too slow, or the client is gone.
    """

    async def read() -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "The request ended early.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise RefusedError(413, f"A request has at most {most:,} bytes.")
            if not message.get("more_body"):
                return b"".join(parts)

    try:
        return await asyncio.wait_for(read(), SLOWEST_BODY)
    except (asyncio.TimeoutError, TimeoutError):
        raise RefusedError(408, "The request came too slowly.") from None


def _read_address(scope: Scope) -> Asked:
    """GET asks, and changes nothing: not even by a document that could also do something else."""
    for query in QueryParams(scope["query_string"]).getlist("query"):
        if query and names_of(query):
            raise RefusedError(405, "By GET nothing is changed. Send it by POST.")
    return Asked()
