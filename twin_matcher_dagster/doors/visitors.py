"""Who asks: the address of a visitor, behind whatever proxies are trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import Scope

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOUSEHOLD_BITS = 64
"""Of IPv6 a provider gives a household at least so large a network (RIPE 690, 4.2): whoever is
limited by address alone has 2**64 of them."""


class Proxies:
    """The proxies that are believed when they say for whom they ask.

    Args:
        trusted: addresses or networks; none by default.
    """

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted: list[_Network] = [ipaddress.ip_network(one, strict=False) for one in trusted]

    def trusts(self, address: str) -> bool:
        """Whether an address is one of theirs."""
        found = _address(address)
        return found is not None and any(found in network for network in self._trusted)

    def seen_from_outside(self, scope: Scope) -> Scope:
        """A request as its visitor made it: with their address, and the scheme that they used.

        What an untrusted client says of itself is nothing. Of a chain of proxies the last address
        that is none of ours counts, from the right: what is left of that anybody may have written.
        """
        client = scope.get("client")
        if client is None or not self.trusts(client[0]):
            return scope
        headers = Headers(scope=scope)
        hops = ",".join(headers.getlist("x-forwarded-for")).split(",")
        known = [address for one in hops if (address := _address(one.strip()))]
        strangers = [str(one) for one in known if not self.trusts(str(one))]
        seen = strangers[-1] if strangers else str(known[0]) if known else client[0]
        scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip()
        https = {"scheme": scheme} if scheme in {"http", "https"} else {}
        return {**scope, "client": (seen, 0), **https}


def visitor_of(scope: Scope) -> str:
    """Whom a limit is for: an IPv4 address, or the network of an IPv6 address.

    Args:
        scope: of a request as :meth:`Proxies.seen_from_outside` gives it.
    """
    client = scope.get("client")
    return household(client[0]) if client else ""


def household(address: str) -> str:
    """An address, or of IPv6 its network of 64 bits."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, _HOUSEHOLD_BITS), strict=False))
    return str(found) if found else ""


def _address(text: str) -> _Address | None:
    """An address as proxies write it, with or without brackets and a port; IPv4 as such."""
    bare = text.rpartition("]")[0].lstrip("[") if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
