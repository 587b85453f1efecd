"""Which role somebody has, by what the operator configured; nobody has one by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.settings import Settings, listed_words

EVERYBODY = "*"
"""In the list of viewers: whoever the provider or the proxy lets through."""

_LONGEST_NAME = 200


class Standing:
    """The lists of people, and the claim of the provider.

    Args:
        settings: of the installation.
    """

    def __init__(self, settings: Settings) -> None:
        self._lists = {
            Role.ADMIN: listed_words(settings.admins),
            Role.REVIEWER: listed_words(settings.reviewers),
            Role.VIEWER: listed_words(settings.viewers),
        }
        self._claim = settings.openid_role_claim

    def of_name(self, name: str) -> Principal | None:
        """Somebody whom a proxy names; None if nobody gave them a role."""
        if not _is_name(name):
            return None
        return _with_best_role(name, self._listed([name]))

    def of_claims(self, claims: Mapping[str, Any]) -> Principal | None:
        """Somebody whom a provider vouches for; None if nobody gave them a role.

        An address that the provider did not verify is anybody's: then only the subject counts.
        """
        email, subject = claims.get("email"), str(claims.get("sub", ""))
        verified = email if isinstance(email, str) and claims.get("email_verified") is True else ""
        names = [one for one in (verified, subject) if _is_name(one)]
        if not names:
            return None
        return _with_best_role(names[0], self._listed(names) | self._claimed(claims))

    def _listed(self, names: list[str]) -> set[Role]:
        # The star is for looking only.
        everybody = {Role.VIEWER} if EVERYBODY in self._lists[Role.VIEWER] else set()
        return everybody | {
            role
            for role, listed in self._lists.items()
            if any(_is_same(one, name) for one in listed for name in names)
        }

    def _claimed(self, claims: Mapping[str, Any]) -> set[Role]:
        value = claims.get(self._claim) if self._claim else None
        words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        return {role for role in Role if role.name.lower() in words}


def check_sign_in(settings: Settings) -> None:
    """See that the settings say how people sign in, and that anybody can.

    Raises:
        ServicesError: something is missing; it names the variable.
    """
    wanted: dict[str, object] = {}
    if settings.sign_in == "openid":
        wanted = {
            "OPENID_URL": settings.openid_url,
            "OPENID_CLIENT_ID": settings.openid_client_id,
            "OPENID_CLIENT_SECRET": settings.openid_client_secret,
        }
    if settings.sign_in == "proxy":
        wanted = {"PROXY_ADDRESSES": settings.proxy_addresses}
    if missing := [name for name, value in wanted.items() if not value]:
        raise ServicesError(
            f"With SIGN_IN={settings.sign_in} nobody could sign in. Set {', '.join(missing)} too."
        )
    anybody = settings.admins or settings.reviewers or settings.viewers
    if wanted and not anybody and not settings.openid_role_claim:
        raise ServicesError(
            f"With SIGN_IN={settings.sign_in} nobody has a role. Set ADMINS to the e-mail "
            "addresses of those who may do everything."
        )


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable() and text == text.strip()


def _is_same(listed: str, name: str) -> bool:
    """Addresses are the same in capitals; a provider's subjects are not, nor is anything beyond
    ASCII, where other letters become a small k or i."""
    if "@" in name and name.isascii():
        return listed.lower() == name.lower()
    return listed == name


def _with_best_role(name: str, roles: set[Role]) -> Principal | None:
    return Principal(name, max(roles)) if roles else None
