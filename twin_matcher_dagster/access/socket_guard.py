"""Dagster's WebSocket, on which pages follow runs: nothing is changed by it, by nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twin_matcher_dagster.access.addresses import Scope
from twin_matcher_dagster.access.graphql_body import RefusedError, names_of

LONGEST_MESSAGE = 1_000_000
"""Characters."""

_POLICY_VIOLATION = 1008
# All that a client says by the protocol that Dagster speaks:
# https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md
_SAID = ("connection_init", "start", "stop", "connection_terminate")


async def guarded_socket(
    app: Any, scope: Scope, receive: Any, send: Any, counts: Callable[[], bool]
) -> None:
    """Serve a WebSocket for as long as its owner is signed in.

    Args:
        app: the webserver's application.
        scope: of the connection, which one of our pages opened.
        receive: from the client.
        send: to the client.
        counts: whether they are still signed in.
    """
    closed = False

    async def close() -> Any:
        nonlocal closed
        if not closed:
            closed = True
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}

    async def receive_asked() -> Any:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            if closed or not counts():
                return await close()
            try:
                said = _read(message.get("text"))
            except ValueError:
                return await close()
            if said.get("type") != "start":
                return _written(said)
            payload = said.get("payload")
            try:
                mutations = names_of(payload.get("query") if isinstance(payload, dict) else None)
            except RefusedError as error:
                reason = str(error)
            else:
                if not mutations:
                    return _written(said)
                reason = "Nothing is changed over a WebSocket. Send it by POST."
            answer = {"type": "error", "id": said.get("id"), "payload": {"message": reason}}
            await send({"type": "websocket.send", "text": json.dumps(answer)})

    async def send_while_signed_in(message: Any) -> None:
        nonlocal closed
        if closed:
            return
        if message["type"] == "websocket.send" and not counts():
            await close()
            return
        closed = message["type"] == "websocket.close"
        await send(message)

    await app(scope, receive_asked, send_while_signed_in)


def _read(text: object) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > LONGEST_MESSAGE:
        raise ValueError("no text, or too much of it")
    try:
        said = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(said, dict) or said.get("type") not in _SAID:
        raise ValueError("no message of the protocol")
    return said


def _written(said: dict[str, Any]) -> Any:
    return {"type": "websocket.receive", "text": json.dumps(said)}
