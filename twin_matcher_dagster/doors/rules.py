"""What a browser is told that it may do with a page: security headers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

NONCE_BYTES = 16

_POLICY = {
    "default-src": "'none'",
    # Gradio makes functions of the texts of a page's events (`js=`): there is no other way.
    "script-src": "'self' 'unsafe-eval'",
    # Its components set styles on elements; of styles alone nobody runs anything.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
_TWO_YEARS_S = 2 * 365 * 86_400
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class BrowserRules:
    """The headers of every answer.

    Args:
        embedding: sites that may show a page in a frame.
    """

    def __init__(self, embedding: Iterable[str] = ()) -> None:
        self._ancestors = " ".join(embedding) or "'none'"

    def headers(self, https: bool, nonce: str) -> dict[str, str]:
        """The headers of an answer.

        Args:
            https: whether it goes to its visitor by https: then the browser comes back by no other.
            nonce: of the page's own scripts.
        """
        policy = _POLICY | {"frame-ancestors": self._ancestors}
        policy["script-src"] += f" 'nonce-{nonce}'"
        found = {**_ALWAYS, "Content-Security-Policy": "; ".join(map(" ".join, policy.items()))}
        if self._ancestors == "'none'":
            found["X-Frame-Options"] = "DENY"  # for browsers that know no policy
        if https:
            found["Strict-Transport-Security"] = f"max-age={_TWO_YEARS_S}"
        return found


def new_nonce() -> str:
    """A word that nobody can guess, for the scripts of one answer."""
    return secrets.token_urlsafe(NONCE_BYTES)
