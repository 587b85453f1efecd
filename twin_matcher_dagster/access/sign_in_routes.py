"""What is answered before anybody is signed in: the ways in, and the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

from anyio import to_thread
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router

from twin_matcher_dagster.access.addresses import Addresses
from twin_matcher_dagster.access.openid import CALLBACK, NotSignedInError, Provider
from twin_matcher_dagster.access.people import Principal
from twin_matcher_dagster.access.sign_in import (
    OPERATOR,
    Doorkeeper,
    TooManyTriesError,
    local_path,
    token_in,
    way_back,
)
from twin_matcher_dagster.access.sign_in_page import notice_page, sign_out_page, token_page
from twin_matcher_dagster.errors import StorageError

DeedWriter = Callable[[Principal, str, Sequence[str]], object]
"""Writes a deed down, or raises ``StorageError``."""

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"

_LONGEST_FORM = 8_000
_OPENID_SECONDS = 600
_MANY = "Too many wrong tokens came from your address. Wait a minute."

_log = logging.getLogger("twin_matcher.access")


class SignInRoutes:
    """An ASGI application for ``/sign-in`` and ``/sign-out``.

    Args:
        keeper: knows who asks.
        addresses: ours.
        record: writes a sign-in down.
        provider: of OpenID Connect, where one is configured.
        secret: signs what a browser keeps while its owner is at the provider.
        https: whether people reach us by https alone.
    """

    def __init__(
        self,
        keeper: Doorkeeper,
        addresses: Addresses,
        record: DeedWriter,
        provider: Provider | None,
        secret: bytes,
        *,
        https: bool,
    ) -> None:
        self._keeper = keeper
        self._addresses = addresses
        self._record = record
        self._provider = provider
        routes: Any = Router(
            [
                Route(SIGN_IN, self._ask, methods=["GET"]),
                Route(SIGN_IN, self._take_form, methods=["POST"]),
                Route(CALLBACK, self._come_back, methods=["GET"]),
                Route(SIGN_OUT, self._ask_to_leave, methods=["GET"]),
                Route(SIGN_OUT, self._leave, methods=["POST"]),
            ]
        )
        if provider:
            # Lax: the provider sends people back from its own site.
            routes = SessionMiddleware(
                routes,
                secret.hex(),
                session_cookie="twin-matcher-openid",
                max_age=_OPENID_SECONDS,
                path=SIGN_IN,
                same_site="lax",
                https_only=https,
            )
        self.app = routes

    def ask(self, request: Request) -> Response:
        """Have somebody who wants to see a page sign in first."""
        back_to = way_back(request.scope)
        if self._provider:
            return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': back_to})}", 303)
        if self._keeper.kind == "token":
            return token_page(back_to)
        return notice_page(
            "Not signed in",
            "This is reached through a proxy that says who you are, and it did not, or you have "
            "no role here. Use the address that the operator gave you, or ask for a role.",
            401,
        )

    async def take_token(self, request: Request) -> Response:
        """Exchange the token in an address for a cookie, and go on without it."""
        back_to = way_back(request.scope)
        if self._keeper.kind != "token":
            return RedirectResponse(back_to, 303)
        return await self._try(request, token_in(request.scope) or "", back_to, "address")

    async def _ask(self, request: Request) -> Response:
        back_to = local_path(request.query_params.get("next", "/"))
        if self._provider is None:
            return token_page(back_to, 200) if self._keeper.kind == "token" else self.ask(request)
        request.session["next"] = back_to
        callback = self._addresses.origin_of(request.scope) + CALLBACK
        try:
            return await self._provider.send_there(request, callback)
        except NotSignedInError as error:
            return notice_page("Not signed in", str(error), 502, SIGN_IN)

    async def _take_form(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST_FORM:
                return notice_page("Not signed in", "That is no token.", 413, SIGN_IN)
        form = parse_qs(body.decode("latin-1"))
        back_to = local_path(form.get("next", ["/"])[0])
        if self._keeper.kind != "token":
            return notice_page("Not signed in", "Nobody signs in by a token here.", 403, SIGN_IN)
        return await self._try(request, form.get("token", [""])[0].strip(), back_to, "form")

    async def _try(self, request: Request, token: str, back_to: str, how: str) -> Response:
        try:
            is_right = self._keeper.is_token(request.scope, token)
        except TooManyTriesError:
            return token_page(back_to, 429, _MANY)
        if not is_right:
            return token_page(back_to, 401, "That is not the token of this installation.")
        return await self._let_in(request, OPERATOR, back_to, how)

    async def _come_back(self, request: Request) -> Response:
        if self._provider is None:
            return RedirectResponse(SIGN_IN, 303)
        back_to = local_path(str(request.session.get("next", "/")))
        try:
            person = await self._provider.person_who_came_back(request)
        except NotSignedInError as error:
            return notice_page("Not signed in", str(error), 403, SIGN_IN)
        request.session.clear()
        return await self._let_in(request, person, back_to, "openid")

    async def _let_in(
        self, request: Request, person: Principal, back_to: str, how: str
    ) -> Response:
        try:
            await to_thread.run_sync(self._record, person, "sign-in", [how])
        except StorageError:
            _log.warning("nobody can sign in: the audit log cannot be written")
            return notice_page(
                "Not signed in",
                "The audit log cannot be written at the moment, so nobody is let in. Try again in "
                "a minute.",
                503,
                SIGN_IN,
            )
        response = RedirectResponse(back_to, 303)
        session = self._keeper.sessions.begin(person)
        response.headers.append("Set-Cookie", self._keeper.cookie(request.scope, session))
        return response

    async def _ask_to_leave(self, request: Request) -> Response:
        caller = self._keeper.caller(request.scope)
        if caller is None:
            return notice_page("Signed out", "You are not signed in.", 200, SIGN_IN)
        if caller.session is None:
            return notice_page("Signed in", "Sign out where you signed in: at the proxy.", 200)
        return sign_out_page(caller.person.name)

    async def _leave(self, request: Request) -> Response:
        caller = self._keeper.caller(request.scope)
        if caller and caller.session:
            await to_thread.run_sync(self._keeper.sessions.end, caller.session)
        response = notice_page("Signed out", "You are signed out.", 200, SIGN_IN)
        response.headers.append("Set-Cookie", self._keeper.cookie(request.scope, None))
        # The browser forgets what it has of our pages.
        response.headers["Clear-Site-Data"] = '"cache"'
        return response
