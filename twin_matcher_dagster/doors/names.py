"""By which names a site is asked, and whether another site asks in a visitor's name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ANYWHERE = {"", "0.0.0.0", "::", "[::]"}  # noqa: S104
_OWN = {"same-origin", "none"}


class Names:
    """The names of a site.

    Any other is an attack: a foreign page whose name was made to lead here (DNS rebinding), so
    that a visitor's browser takes what is here for that page's own.

    Args:
        host: that is listened on. Of every address of this machine, a number will do: nobody's name
            leads there.
        addresses: URLs of the site.
        more: further names.
    """

    def __init__(self, host: str, addresses: Iterable[str | None], more: Iterable[str]) -> None:
        urls = [urlsplit(one) for one in addresses if one]
        self._origins = {_origin(url.scheme, url.netloc) for url in urls}
        self._more = {one.lower() for one in more}
        self._hosts = {*_LOOPBACK, host.lower(), f"[{host.lower()}]", *self._more}
        self._hosts |= {_host(url.netloc) for url in urls}
        self._numbers = host in _ANYWHERE

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` is one of them; its port is not looked at."""
        name = _host(host)
        return name in self._hosts or (self._numbers and _is_number(name))

    def is_foreign(self, headers: Headers) -> bool:
        """Whether a page of another origin asks, by the word of the visitor's browser.

        Programs say nothing of it: they are nobody's browser, and carry nobody's trust.
        """
        if headers.get("sec-fetch-site", "none") not in _OWN:
            return True
        origin = headers.get("origin")
        if origin is None:
            return False
        url = _split(origin)
        if not url[1]:
            return True
        # A proxy may ask by another name than its visitor did.
        is_ours = _origin(*url) in self._origins or _host(url[1]) in self._more
        return not is_ours and url[1] != headers.get("host", "").lower()


def is_read_elsewhere(headers: Headers) -> bool:
    """Whether another site wants to have an answer inside a page of its own, as an image, a script
    or a frame; to be led here by a link is no such thing."""
    if headers.get("sec-fetch-site", "none") in _OWN:
        return False
    is_page = headers.get("sec-fetch-dest", "document") == "document"
    return not (headers.get("sec-fetch-mode") == "navigate" and is_page)


def _split(origin: str) -> tuple[str, str]:
    try:
        url = urlsplit(origin.lower())
    except ValueError:
        return "", ""
    return url.scheme, url.netloc


def _origin(scheme: str, netloc: str) -> str:
    return f"{scheme}://{netloc}".lower()


def _host(netloc: str) -> str:
    """Without port, user and the dot of the root."""
    bare = netloc.lower().rpartition("@")[2]
    if bare.startswith("["):
        number, end, _ = bare.partition("]")
        return number + end
    return bare.partition(":")[0].rstrip(".")


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
