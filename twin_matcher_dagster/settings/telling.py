"""Settings of who is told what matters."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

_ADDRESS = re.compile(r"[^\s@,<>]+@[^\s@,<>]+")

WebhookStyle = Literal["auto", "text", "slack", "teams", "ntfy"]
"""What a receiver takes for a message."""


class TellingSettings(BaseModel):
    """Who is told what matters."""

    alert_webhook: SecretStr | None = Field(
        None, description="Address that what matters is posted to: Slack, Teams, ntfy, or others."
    )
    alert_webhook_style: WebhookStyle = Field(
        "auto",
        description="What that address takes: 'slack', 'teams', 'ntfy' or 'text'; 'auto' goes by "
        "its host.",
    )
    alert_smtp_url: SecretStr | None = Field(
        None,
        description="Mail server, smtp://user:password@host:587 (with STARTTLS) or "
        "smtps://user:password@host:465.",
    )
    alert_mail_to: str | None = Field(None, description="Who gets mail: addresses, with commas.")
    alert_mail_from: str | None = Field(None, description="Sender; default: the first of them.")
    alert_release_days: float = Field(
        7,
        gt=0,
        le=3650,
        description="After so many days in which something waits to be released it is told.",
    )

    @field_validator("alert_webhook")
    @classmethod
    def _is_a_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        return _url_of(value, {"http", "https"}, "it is not like https://hooks.example.com/...")

    @field_validator("alert_smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        example = "it is not like smtp://user:password@mail.example.com:587"
        return _url_of(value, {"smtp", "smtps"}, example)

    @field_validator("alert_mail_to", "alert_mail_from")
    @classmethod
    def _is_mail(cls, value: str | None) -> str | None:
        for one in (value or "").split(","):
            if value and not _ADDRESS.fullmatch(one.strip()):
                raise ValueError("it is not like operator@example.com, other@example.com")
        return value or None

    @model_validator(mode="after")
    def _have_server_and_address(self) -> TellingSettings:
        if bool(self.alert_smtp_url) != bool(self.alert_mail_to):
            raise ValueError("ALERT_SMTP_URL and ALERT_MAIL_TO belong together; set both, or none")
        return self


def _url_of(value: SecretStr | None, schemes: set[str], example: str) -> SecretStr | None:
    """An address that may be asked; it is repeated in no message: it holds a secret."""
    text = value.get_secret_value() if value else ""
    if not text:
        return None
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and parts.hostname
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise ValueError(example)
    return value
