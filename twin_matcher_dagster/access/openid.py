"""Sign-in by an OpenID Connect provider: authorization code with PKCE, by authlib.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth. The library checks state, nonce,
signature, issuer, audience and time; who has which role is ours to say.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from twin_matcher_dagster.access.people import Principal
from twin_matcher_dagster.access.standing import Standing
from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.settings import Settings

CALLBACK = "/sign-in/callback"
"""Where the provider sends people back to: to be registered there."""

_DISCOVERY = "/.well-known/openid-configuration"
_NAME = "provider"
_SECONDS = 10

_log = logging.getLogger("twin_matcher.access")


class NotSignedInError(Exception):
    """The provider vouches for nobody, or for somebody without a role; the message is for them."""


class Provider:
    """The provider that is configured.

    Args:
        settings: of the installation.
        standing: who has which role.

    Raises:
        ServicesError: the library is not installed.
    """

    def __init__(self, settings: Settings, standing: Standing) -> None:
        try:
            from authlib.integrations.starlette_client import OAuth
        except ImportError as error:
            raise ServicesError(
                "SIGN_IN=openid is set, and the extra `openid` is not installed. Install it: pip "
                "install 'twin-matcher-dagster[openid]'."
            ) from error
        url = str(settings.openid_url).rstrip("/")
        secret = settings.openid_client_secret
        self._standing = standing
        self._client: Any = OAuth().register(
            _NAME,
            client_id=settings.openid_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=url if url.endswith(_DISCOVERY) else url + _DISCOVERY,
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "timeout": _SECONDS,
            },
        )

    async def send_there(self, request: Request, callback: str) -> Response:
        """Send somebody to the provider.

        Args:
            request: theirs, with a session of starlette's.
            callback: our address, whole, that they come back to.

        Raises:
            NotSignedInError: the provider does not answer.
        """
        try:
            return await self._client.authorize_redirect(request, callback)
        except Exception as error:  # of the network, of its answer: whatever it is, nobody is in
            _log.warning("the provider cannot be asked: %s", _what(error))
            raise NotSignedInError(
                "The sign-in provider does not answer. Try again in a minute."
            ) from error

    async def person_who_came_back(self, request: Request) -> Principal:
        """Who the provider says it is.

        Raises:
            NotSignedInError: it says nothing that we believe, or nobody gave them a role.
        """
        try:
            answer = await self._client.authorize_access_token(request)
            claims = answer["userinfo"]
        except Exception as error:  # forged, late, of another browser, of another provider
            _log.warning("a sign-in failed: %s", _what(error))
            raise NotSignedInError("The sign-in did not succeed. Start it again.") from error
        person = self._standing.of_claims(claims)
        if person is None:
            _log.warning("somebody without a role signed in at the provider")
            raise NotSignedInError(
                "You have no role here. Ask the operator to put your e-mail address, as the "
                "provider has verified it, into VIEWERS, REVIEWERS or ADMINS."
            )
        return person


def _what(error: Exception) -> str:
    """An error's kind and, of the library's own, its code; no token, no address."""
    code = getattr(error, "error", "")
    return f"{type(error).__name__} {code}".strip()
