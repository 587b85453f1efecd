"""Headers that tell a browser what may be done with our answers."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import MutableHeaders

# Dagster's own policy says which scripts run; this one stands beside it, and both count.
_POLICY = "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Ours to see, nobody else's. "no-referrer" would have forms of ours come without an origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}

# A year, as https://hstspreload.org asks for; not for the domain's other hosts.
_HTTPS_ONLY = "max-age=31536000"
# Dagster's scripts and pictures, which everybody may have, and which have their content's name.
_PUBLIC = ("/_next/", "/vendor/", "/favicon")


def protected(send: Any, *, https: bool, path: str) -> Any:
    """An ASGI ``send`` that adds the headers to an answer.

    Args:
        send: of the server.
        https: whether the browser is told to come by https only, from now on.
        path: of the request.
    """

    async def send_protected(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(message.get("headers", []))}
            headers = MutableHeaders(raw=message["headers"])
            for name, value in HEADERS.items():
                headers[name] = value
            del headers["Feature-Policy"]  # the old name of Permissions-Policy
            headers.append("Content-Security-Policy", _POLICY)
            if https:
                headers["Strict-Transport-Security"] = _HTTPS_ONLY
            if not path.startswith(_PUBLIC):
                headers["Cache-Control"] = "no-store"
        await send(message)

    return send_protected
