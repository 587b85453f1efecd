"""The guard of an installation, put together from its settings and its state folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twin_matcher_dagster.access.addresses import Addresses
from twin_matcher_dagster.access.audit import AuditLog
from twin_matcher_dagster.access.guard import App, Guard
from twin_matcher_dagster.access.openid import Provider
from twin_matcher_dagster.access.people import Principal
from twin_matcher_dagster.access.sessions import Sessions
from twin_matcher_dagster.access.sign_in import Doorkeeper
from twin_matcher_dagster.access.sign_in_routes import SignInRoutes
from twin_matcher_dagster.access.standing import check_sign_in
from twin_matcher_dagster.local.sign_in_token import (
    is_program_pass,
    keep_token,
    read_token,
    session_key,
)
from twin_matcher_dagster.settings import Settings, listed_words
from twin_matcher_dagster.storage.object_store import ObjectStore

# Whoever changes something waits for the log.
_AUDIT_SECONDS = 8.0
_EVERY_INTERFACE = ("0.0.0.0", "::", "")  # noqa: S104


def guarded(
    dagster: App,
    mounts: Mapping[str, App],
    settings: Settings,
    home: Path,
    store: ObjectStore,
) -> Guard:
    """Put the guard before applications.

    Args:
        dagster: the webserver's application.
        mounts: further ones, by the path that they begin with: ``{"/review": app}``.
        settings: how people sign in.
        home: the state folder, with the token.
        store: the bucket, for the audit log.

    Raises:
        ServicesError: the settings do not say how anybody could sign in.
    """
    check_sign_in(settings)
    keep_token(home, settings.dagster_token)
    token = read_token(home)
    addresses = our_addresses(settings)
    key = session_key(home, *_terms(settings))
    sessions = Sessions(
        key,
        home / "signed-out.json",
        settings.session_hours * 3600,
        settings.session_idle_minutes * 60,
    )
    keeper = Doorkeeper(
        settings, token, lambda shown: is_program_pass(token, shown), sessions, addresses
    )

    def record(person: Principal, what: str, about: Sequence[str]) -> None:
        AuditLog(store.within(_AUDIT_SECONDS)).add(person, what, about)

    provider = Provider(settings, keeper.standing) if settings.sign_in == "openid" else None
    https = bool(settings.tls_cert) or (settings.dagster_url or "").startswith("https://")
    routes = SignInRoutes(keeper, addresses, record, provider, key, https=https)
    return Guard(dagster, addresses, keeper, routes, record, mounts)


def our_addresses(settings: Settings) -> Addresses:
    """The names by which an installation's webserver is reached."""
    host = () if settings.host in _EVERY_INTERFACE else (_bracketed(settings.host),)
    return Addresses([*host, *listed_words(settings.dagster_hosts)], settings.dagster_url)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _terms(settings: Settings) -> list[str]:
    """What says who may do what: a cookie of other terms is none."""
    terms: list[Any] = [
        settings.sign_in,
        settings.openid_url,
        settings.openid_client_id,
        settings.openid_role_claim,
        settings.admins,
        settings.reviewers,
        settings.viewers,
    ]
    return [str(one) for one in terms]
