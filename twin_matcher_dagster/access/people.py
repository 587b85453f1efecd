"""Who is signed in, and what they may do."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

SIGNED_IN = "twin_matcher.principal"
"""Where the guard puts who is signed in, in the ASGI scope."""


class Role(IntEnum):
    """What somebody may do; each may do what the one before may."""

    VIEWER = 1
    """Looks at everything in Dagster, and changes nothing."""
    REVIEWER = 2
    """Decides on uploads in the review page; launches nothing."""
    ADMIN = 3
    """Does everything that Dagster offers."""


@dataclass(frozen=True)
class Principal:
    """Somebody who is signed in.

    Attributes:
        name: an e-mail address, a subject of the provider, or what stands for a shared token.
        role: what they may do.
    """

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether they may do what a role may."""
        return self.role >= role


def put_principal(scope: MutableMapping[str, Any], person: Principal) -> None:
    """Say who asks, in the ASGI scope of a request; only the guard does."""
    scope[SIGNED_IN] = person


def principal_of(scope: MutableMapping[str, Any]) -> Principal:
    """Who asks.

    Args:
        scope: of a request or a WebSocket that came through the guard.

    Raises:
        LookupError: it did not come through the guard.
    """
    person = scope.get(SIGNED_IN)
    if not isinstance(person, Principal):
        raise LookupError(
            "Nobody is signed in: this application is served without the guard. Mount it with "
            "twin_matcher_dagster.access.installation.guarded()."
        )
    return person
