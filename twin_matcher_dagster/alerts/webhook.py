"""A message by HTTP: JSON as Slack, Teams, ntfy, or anybody else takes it.

No body is taken by all of them: Teams takes nothing but a card under ``attachments``, which Slack
reads as attachments of its own, and refuses; ntfy takes JSON at its root alone, with the topic in
it. So the body goes by the host, or by the setting ``ALERT_WEBHOOK_STYLE``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from twin_matcher_dagster.alerts.words import Line, Message
from twin_matcher_dagster.errors import ReceiverError
from twin_matcher_dagster.settings.telling import WebhookStyle

WEBHOOK_WAIT_S = 10.0
"""For a receiver to take the connection, and to answer. A tick has a minute for all of them."""

_NTFY_BYTES = 4000
_TEAMS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com")


class Webhook:
    """A receiver that is posted to.

    Args:
        url: whole, with whatever secret is in it: it is told in no message and no log.
        style: what it takes.

    Attributes:
        name: by which it is known in the notebook.
    """

    name = "webhook"

    def __init__(self, url: str, style: WebhookStyle = "auto") -> None:
        self._url = url
        self._style = style_of(url) if style == "auto" else style

    def send(self, message: Message) -> None:
        """Post a message.

        Raises:
            ReceiverError: it was not taken.
        """
        import httpx

        url, body = body_for(self._style, self._url, message)
        host = urlsplit(self._url).hostname
        try:
            # Followed nowhere else: the body is for this host alone. The answer is not read.
            with httpx.stream("POST", url, json=body, timeout=WEBHOOK_WAIT_S) as answer:
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # What httpx says may hold the address, and so the secret.
            raise ReceiverError(
                f"{host} cannot be reached ({type(error).__name__}). Check ALERT_WEBHOOK."
            ) from None
        if not 200 <= status < 300:
            raise ReceiverError(
                f"{host} answered {status}. Check ALERT_WEBHOOK and ALERT_WEBHOOK_STYLE."
            )


def style_of(url: str) -> WebhookStyle:
    """What a host takes, by its name."""
    host = urlsplit(url).hostname or ""
    if host == "hooks.slack.com":
        return "slack"
    if host.endswith(_TEAMS):
        return "teams"
    return "ntfy" if host.split(".")[0] == "ntfy" else "text"


def body_for(style: WebhookStyle, url: str, message: Message) -> tuple[str, Mapping[str, Any]]:
    """Where a message is posted to, and as what.

    Args:
        style: what is taken there.
        url: of the setting.
        message: which.
    """
    if style == "teams":
        return url, _card(message)
    if style == "ntfy":
        return _of_ntfy(url, message)
    if style == "slack":
        return url, {"text": _escaped(f"*{message.title}*\n{message.text}")}
    # Mattermost, Rocket.Chat and Google Chat take `text`, Discord takes `content`.
    whole = f"{message.title}\n{message.text}"
    return url, {"text": whole, "content": whole[:2000]}


def _escaped(text: str) -> str:
    """The three characters that Slack's own mark-up is made of."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _of_ntfy(url: str, message: Message) -> tuple[str, Mapping[str, Any]]:
    """ntfy's JSON: https://docs.ntfy.sh/publish/#publish-as-json."""
    parts = urlsplit(url)
    folder, _, topic = parts.path.rstrip("/").rpartition("/")
    # A longer message would be handed on as a file.
    text = message.text.encode()[:_NTFY_BYTES].decode(errors="ignore")
    links = [line.link for line in message.lines if line.link]
    body = {
        "topic": topic,
        "title": message.title,
        "message": text,
        "priority": 4 if message.urgent else 3,
        **({"click": links[0]} if links else {}),
    }
    return urlunsplit(parts._replace(path=f"{folder}/")), body


def _card(message: Message) -> Mapping[str, Any]:
    """An Adaptive Card, as the workflows of Teams take it."""
    title = {"type": "TextBlock", "text": message.title, "weight": "Bolder", "wrap": True}
    blocks = [block for line in message.lines for block in _blocks(line)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, *blocks],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _blocks(line: Line) -> list[Mapping[str, Any]]:
    link = f"[{line.link}]({line.link})" if line.link else ""
    texts = filter(None, (line.title, line.sentence, link))
    return [{"type": "TextBlock", "text": text, "wrap": True} for text in texts]
