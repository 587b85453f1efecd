"""A small OpenID Connect provider with real keys, which also says what is not true."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from twin_matcher_dagster_tests.access.listening import listening
from twin_matcher_dagster_tests.access.site import HERE

CLIENT, SECRET = "twin-matcher", "a secret of the client"


class LocalProvider:
    """The provider.

    Attributes:
        url: its issuer.
        claims: what it says of whoever comes, beside what the protocol asks for.
        lies: what it says instead of the truth: claims, or ``signed_by`` with another key, or
            ``algorithm``, or ``no_token``.
        asked: parameters of the last request to authorize.
        codes: what it gave out, and for what.
        registered: where people are sent back to.
    """

    def __init__(self) -> None:
        self.url = ""
        self.claims: dict[str, Any] = {}
        self.lies: dict[str, Any] = {}
        self.asked: dict[str, str] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.registered = f"{HERE}/sign-in/callback"
        self._key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discover),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def _discover(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
            }
        )

    def _keys(self, request: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    def _authorize(self, request: Request) -> Response:
        self.asked = dict(request.query_params)
        code = secrets.token_urlsafe(8)
        self.codes[code] = self.asked
        back = urlencode({"code": code, "state": self.asked["state"]})
        return RedirectResponse(f"{self.asked['redirect_uri']}?{back}", 302)

    async def _token(self, request: Request) -> Response:
        form = {name: value[0] for name, value in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form["code"], None)
        good = asked and self._is_client(request) and self._is_same_browser(asked, form)
        if asked is None or not good:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "42",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
            **self.lies,
        }
        key = claims.pop("signed_by", self._key)
        algorithm = claims.pop("algorithm", "RS256")
        answer = {"access_token": "a", "token_type": "Bearer"}
        if not claims.pop("no_token", False):
            header = {"alg": algorithm, "kid": "first"}
            answer["id_token"] = jwt.encode(header, claims, key, algorithms=[algorithm])
        return JSONResponse(answer)

    def _is_client(self, request: Request) -> bool:
        shown = request.headers["Authorization"].removeprefix("Basic ")
        return base64.b64decode(shown).decode() == f"{CLIENT}:{SECRET}"

    def _is_same_browser(self, asked: dict[str, str], form: dict[str, str]) -> bool:
        """PKCE, and the address that was registered."""
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        registered = form["redirect_uri"] == asked["redirect_uri"] == self.registered
        return challenge == asked["code_challenge"] and registered


@contextmanager
def serving(
    provider: LocalProvider, port: int, host: str = "127.0.0.1"
) -> Generator[LocalProvider]:
    """Serve a provider for as long as the block lasts."""
    provider.url = f"http://{host}:{port}"
    config = uvicorn.Config(provider.app, port=port, log_level="error")
    with listening(uvicorn.Server(config)):
        yield provider
