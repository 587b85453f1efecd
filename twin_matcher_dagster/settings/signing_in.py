"""Settings of who may use Dagster and the review page, and how they sign in."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from twin_matcher_dagster.settings.values import listed_words, none_if_empty

TOKEN_LENGTH = 20
"""A token that a person chose has at least so many characters; one that is made has 43."""

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")


class SigningInSettings(BaseModel):
    """Who may use Dagster and the review page, and how they sign in."""

    sign_in: Literal["token", "openid", "proxy"] = Field(
        "token",
        description="How people sign in to Dagster and the review page: 'token' (in the address "
        "that `up` prints), 'openid' (an OpenID Connect provider), 'proxy' (a header of a proxy).",
    )
    dagster_token: SecretStr | None = Field(
        None, description="The token, 20 characters or more. Unset: one is made, and kept."
    )
    dagster_url: str | None = Field(
        None,
        description="Address that people type for Dagster, such as https://dagster.example.org, "
        "where it is behind a proxy.",
    )
    dagster_hosts: str = Field(
        "", description="Further host names that Dagster is asked by, with commas."
    )
    openid_url: str | None = Field(
        None, pattern="^https?://", description="The provider: its issuer, or its discovery URL."
    )
    openid_client_id: str | None = Field(None, description="What the provider calls this client.")
    openid_client_secret: SecretStr | None = Field(None, description="And its secret.")
    openid_role_claim: str | None = Field(
        None, description="Claim that holds viewer, reviewer or admin, alone or in a list."
    )
    proxy_addresses: str = Field(
        "", description="Addresses or networks of the proxy that is believed, with commas."
    )
    proxy_header: str = Field(
        "X-Forwarded-Email",
        pattern=r"^[A-Za-z0-9-]+$",
        description="Header in which the proxy says who asks.",
    )
    admins: str = Field("", description="Who may do everything: e-mail addresses, with commas.")
    reviewers: str = Field("", description="Who decides on uploads.")
    viewers: str = Field("", description="Who may look: e-mail addresses, or * for everybody.")
    session_hours: float = Field(
        12, gt=0, le=720, description="After so many hours people sign in again."
    )
    session_idle_minutes: float = Field(
        30, gt=0, le=43_200, description="And after so many minutes in which they did nothing."
    )

    _is_given = field_validator(
        "dagster_token", "dagster_url", "openid_url", "openid_client_secret", mode="before"
    )(none_if_empty)

    @field_validator("dagster_token")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else None
        if text is not None and not re.fullmatch(rf"[\w.~-]{{{TOKEN_LENGTH},200}}", text, re.ASCII):
            raise ValueError(
                f"it has fewer than {TOKEN_LENGTH} characters, or others than letters, digits and "
                "-._~; leave it out, and one is made"
            )
        return value

    @field_validator("dagster_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.rstrip("/").lower())
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or "@" in value:
            raise ValueError("it is not like https://dagster.example.org, without a path")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("dagster_hosts")
    @classmethod
    def _are_hosts(cls, value: str) -> str:
        if wrong := [one for one in listed_words(value) if not _HOST.fullmatch(one.lower())]:
            raise ValueError(f"{wrong[0]!r} is no host name; give names without port or scheme")
        return value

    @field_validator("proxy_addresses")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in listed_words(value):
            ipaddress.ip_network(one)  # its own error says what is wrong
        return value
