"""The guard: an ASGI application before Dagster's webserver and the review page.

A request passes if it was sent to one of our names, by one of our own pages or by a program, by
somebody who is signed in, whose role may do it; and if it changes something, only once the audit
log has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from twin_matcher_dagster.access.addresses import (
    Addresses,
    Denial,
    Scope,
    is_from_elsewhere,
    is_from_here,
    is_navigation,
    values_of,
)
from twin_matcher_dagster.access.graphql_body import RefusedError, read_graphql
from twin_matcher_dagster.access.operations import is_recorded, role_for
from twin_matcher_dagster.access.people import SIGNED_IN, Principal, Role, put_principal
from twin_matcher_dagster.access.protection import protected
from twin_matcher_dagster.access.sign_in import (
    Caller,
    Doorkeeper,
    TooManyTriesError,
    token_in,
    way_back,
)
from twin_matcher_dagster.access.sign_in_page import again_page, notice_page
from twin_matcher_dagster.access.sign_in_routes import SIGN_IN, SIGN_OUT, DeedWriter, SignInRoutes
from twin_matcher_dagster.access.socket_guard import guarded_socket
from twin_matcher_dagster.errors import StorageError

App = Callable[[Scope, Any, Any], Any]

HEALTH = "/healthz"
"""Answers anybody who asks by a name of ours that the webserver runs, and nothing else."""
GRAPHQL = "/graphql"

UNWRITTEN = "The audit log cannot be written at the moment, so nothing is changed. Try again soon."

_log = logging.getLogger("twin_matcher.access")

_WORDS = {Role.VIEWER: "a viewer", Role.REVIEWER: "a reviewer", Role.ADMIN: "an admin"}


class Guard:
    """Stands before applications.

    Args:
        dagster: the webserver's application; it has all paths that nobody else has.
        addresses: our names and origins.
        keeper: knows who asks.
        routes: sign-in and sign-out.
        record: writes a deed down before it is done.
        mounts: further applications, by the path that they begin with (``/review``). Each finds who
            asks by :func:`~twin_matcher_dagster.access.people.principal_of`, is asked to change
            something by reviewers at least, and writes its own deeds.
    """

    def __init__(
        self,
        dagster: App,
        addresses: Addresses,
        keeper: Doorkeeper,
        routes: SignInRoutes,
        record: DeedWriter,
        mounts: Mapping[str, App],
    ) -> None:
        self._dagster = dagster
        self._addresses = addresses
        self._keeper = keeper
        self._routes = routes
        self._record = record
        self._mounts = dict(mounts)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request, or let it pass."""
        if scope["type"] == "lifespan":
            await self._dagster(scope, receive, send)
            return
        denial = self._addresses.denial_of(scope)
        if scope["type"] == "websocket":
            caller = None if denial else self._caller(scope)
            if caller is None or scope["path"] != GRAPHQL or not self._is_ours(scope, caller):
                _note(scope, "a WebSocket")
                await send({"type": "websocket.close", "code": 1008})
                return
            put_principal(scope, caller.person)
            sessions, session = self._keeper.sessions, caller.session
            counts = (lambda: sessions.counts(session)) if session else (lambda: True)
            await guarded_socket(self._dagster, scope, receive, send, counts)
            return
        secure = denial is None and self._addresses.is_secure(scope)
        lasting = secure and not self._addresses.is_loopback(scope)
        send = protected(send, https=lasting, path=scope["path"])
        if denial:
            await _refused(scope, denial)(scope, receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except TooManyTriesError:
            denial = Denial(429, "Too many wrong tokens came from your address.")
            await _refused(scope, denial)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Any, send: Any) -> None:
        path, method = scope["path"], scope["method"]
        request = Request(scope)
        if method not in ("GET", "HEAD", "POST"):
            await _refused(scope, Denial(405, "This is not done here."))(scope, receive, send)
        elif path == HEALTH:
            await JSONResponse({"guard": "ok"})(scope, receive, send)
        elif method == "GET" and token_in(scope) is not None:
            await (await self._routes.take_token(request))(scope, receive, send)
        elif path in (SIGN_IN, SIGN_OUT) or path.startswith(f"{SIGN_IN}/"):
            await self._routes.app(scope, receive, send)
        else:
            caller = self._keeper.caller(scope)
            if caller is None:
                await self._unknown(request)(scope, receive, send)
            else:
                await self._known(scope, receive, self._renewing(scope, caller, send), caller)

    async def _known(self, scope: Scope, receive: Any, send: Any, caller: Caller) -> None:
        """Somebody who is signed in asks."""
        put_principal(scope, caller.person)
        try:
            if scope["method"] == "POST" and not self._is_ours(scope, caller):
                raise RefusedError(403, "It is not known which page sent this.")
            if self._keeper.comes_anew(caller):
                await to_thread.run_sync(self._record, caller.person, "sign-in", ["proxy"])
                self._keeper.note(caller)
            app, scope = self._app_of(scope)
            if app is not self._dagster:
                _see_that_they_may(scope, caller.person, Role.REVIEWER)
            elif scope["path"] == GRAPHQL:
                scope, receive = await self._graphql(scope, receive, caller.person)
            elif scope["method"] == "POST":
                await self._report(scope, caller.person)
        except RefusedError as error:
            await _refused(scope, error.denial)(scope, receive, send)
        except StorageError:
            await _refused(scope, Denial(503, UNWRITTEN))(scope, receive, send)
        else:
            await app(scope, receive, send)

    async def _graphql(self, scope: Scope, receive: Any, person: Principal) -> tuple[Scope, Any]:
        asked = await read_graphql(scope, receive)
        for mutation in asked.mutations:
            if not person.may(role_for(mutation)):
                raise RefusedError(403, _no_right(person))
        for mutation in filter(is_recorded, asked.mutations):
            await to_thread.run_sync(self._record, person, mutation, asked.about)
        if asked.body is None:
            return scope, receive
        return _with_body(scope, receive, asked.body)

    async def _report(self, scope: Scope, person: Principal) -> None:
        """Dagster's ``/report_asset_...``, and whatever else it may take by POST one day."""
        _see_that_they_may(scope, person, Role.ADMIN)
        what, _, about = scope["path"].strip("/").partition("/")
        word = what if what.isascii() and what.isidentifier() and len(what) < 60 else "post"
        keys = [one for one in about.split("/") if one.isascii() and one.isidentifier()]
        await to_thread.run_sync(self._record, person, word, [one[:99] for one in keys])

    def _caller(self, scope: Scope) -> Caller | None:
        try:
            return self._keeper.caller(scope)
        except TooManyTriesError:
            return None

    def _is_ours(self, scope: Scope, caller: Caller) -> bool:
        """Whether one of our pages asks, or a program that shows by itself who it is."""
        return not caller.by_browser or is_from_here(scope)

    def _app_of(self, scope: Scope) -> tuple[App, Scope]:
        for prefix, app in self._mounts.items():
            if scope["path"] == prefix or scope["path"].startswith(f"{prefix}/"):
                return app, {**scope, "root_path": scope.get("root_path", "") + prefix}
        return self._dagster, scope

    def _unknown(self, request: Request) -> Response:
        """Nobody knows who asks: people are asked to sign in, programs are told."""
        scope = request.scope
        if scope["method"] in ("GET", "HEAD") and _wants_a_page(scope):
            if is_navigation(scope) and is_from_elsewhere(scope):
                return again_page(way_back(scope))
            return self._routes.ask(request)
        told = "You are not signed in, or no longer. Load the page again."
        return JSONResponse({"errors": [{"message": told}]}, 401, {"WWW-Authenticate": "Bearer"})

    def _renewing(self, scope: Scope, caller: Caller, send: Any) -> Any:
        """Hand the browser a newer cookie along with the answer, where it is time."""
        session = caller.session and self._keeper.sessions.renewed(caller.session)
        if session is None:
            return send
        cookie = (b"set-cookie", self._keeper.cookie(scope, session).encode())

        async def send_with_cookie(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), cookie]}
            await send(message)

        return send_with_cookie


def _see_that_they_may(scope: Scope, person: Principal, role: Role) -> None:
    """Anybody who is signed in may look.

    Raises:
        RefusedError: it would change something, and is not theirs to change.
    """
    if scope["method"] == "POST" and not person.may(role):
        raise RefusedError(403, _no_right(person))


def _no_right(person: Principal) -> str:
    return (
        f"You are signed in as {person.name}, {_WORDS[person.role]}, who may not do this. Ask the "
        "operator for another role."
    )


def _wants_a_page(scope: Scope) -> bool:
    return "text/html" in ",".join(values_of(scope, "accept"))


def _refused(scope: Scope, denial: Denial) -> Response:
    """In the form that whoever asks can show: Dagster's pages show errors of GraphQL."""
    _note(scope, f"{denial.status}: {denial.reason}")
    if scope["method"] in ("GET", "HEAD") and _wants_a_page(scope):
        return notice_page("Not possible", denial.reason, denial.status)
    if scope["path"] == GRAPHQL:
        return JSONResponse({"errors": [{"message": denial.reason}]}, denial.status)
    return PlainTextResponse(denial.reason + "\n", denial.status)


def _note(scope: Scope, what: str) -> None:
    """Say in the service's log that something was refused, to whom, but not what was asked for."""
    person = scope.get(SIGNED_IN)
    name = f" ({person.name})" if isinstance(person, Principal) else ""
    _log.warning("refused to %s%s: %s", (scope.get("client") or ["?"])[0], name, what)


def _with_body(scope: Scope, receive: Any, body: bytes) -> tuple[Scope, Any]:
    """A request whose body is this, and that says nothing in its address."""
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-type", b"content-length", b"transfer-encoding")
    ]
    headers = [
        *kept,
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    parts = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive_body() -> Any:
        # After it, whether the client is still there.
        return next(parts, None) or await receive()

    return {**scope, "headers": headers, "query_string": b""}, receive_body
