"""Who is told, by the settings; and what of them is repeated nowhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from twin_matcher_dagster.alerts.delivery import receivers_of
from twin_matcher_dagster.alerts.mail import Mailbox
from twin_matcher_dagster.alerts.webhook import Webhook
from twin_matcher_dagster.local.services import _SECRETS, CODE
from twin_matcher_dagster.settings import Settings, problems_of

SECRET = "T0PSECRET"


def test_nobody_is_told_by_default() -> None:
    assert receivers_of(Settings()) == []


def test_both_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK", f"https://hooks.slack.com/services/{SECRET}")
    monkeypatch.setenv("ALERT_SMTP_URL", f"smtps://desk:{SECRET}@mail.example.com")
    monkeypatch.setenv("ALERT_MAIL_TO", "a@example.com, b@example.com")
    settings = Settings()
    webhook, mailbox = receivers_of(settings)
    assert isinstance(webhook, Webhook)
    assert isinstance(mailbox, Mailbox)
    assert mailbox._sender == "a@example.com"
    assert SECRET not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ALERT_WEBHOOK", f"ftp://example.com/{SECRET}"),
        ("ALERT_WEBHOOK", f"hooks.slack.com/{SECRET}"),
        ("ALERT_WEBHOOK", f"https://example.com:port/{SECRET}"),
        ("ALERT_SMTP_URL", f"https://example.com/{SECRET}"),
        ("ALERT_SMTP_URL", f"smtp:///{SECRET}"),
        ("ALERT_MAIL_TO", f"{SECRET}"),
        ("ALERT_MAIL_TO", f"a@example.com,{SECRET}"),
        ("ALERT_MAIL_FROM", f"{SECRET}\nBcc: a@example.com"),
    ],
)
def test_what_cannot_be_right_is_said_and_not_repeated(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert SECRET not in " ".join(problems_of(caught.value)) + str(caught.value)


def test_a_server_without_addresses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_SMTP_URL", "smtp://mail.example.com")
    with pytest.raises(ValidationError, match="belong together"):
        Settings()


def test_set_but_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALERT_WEBHOOK", "ALERT_SMTP_URL", "ALERT_MAIL_TO", "ALERT_MAIL_FROM"):
        monkeypatch.setenv(name, "")
    assert receivers_of(Settings()) == []


def test_links_lead_to_where_people_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_PORT", "3333")
    assert Settings().dagster_address == "http://127.0.0.1:3333"
    monkeypatch.setenv("DAGSTER_URL", "https://desk.example")
    assert Settings().dagster_address == "https://desk.example"


def test_the_pages_have_no_secret_of_a_receiver() -> None:
    names = {"ALERT_WEBHOOK", "ALERT_SMTP_URL", "ALERT_MAIL_TO"}
    assert {name for name, owner in _SECRETS.items() if owner == CODE} == names
