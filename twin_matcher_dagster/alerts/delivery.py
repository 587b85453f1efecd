"""From what matters to those who are told: what was told is kept after each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from twin_matcher_dagster.alerts.mail import Mailbox
from twin_matcher_dagster.alerts.matters import Matter
from twin_matcher_dagster.alerts.notebook import Notebook
from twin_matcher_dagster.alerts.webhook import Webhook
from twin_matcher_dagster.alerts.words import Message, message_of
from twin_matcher_dagster.errors import ReceiverError
from twin_matcher_dagster.settings import Settings

SENDING_S = 12.0
"""For one receiver, whatever it does: Dagster gives a tick 60 seconds."""


class Receiver(Protocol):
    """Whoever is told.

    Attributes:
        name: by which it is known in the notebook.
    """

    name: str

    def send(self, message: Message) -> None:
        """Tell, or raise a ``ReceiverError``."""


@dataclass(frozen=True)
class Telling:
    """What came of one round.

    Attributes:
        notebook: what is noted now.
        told: sentences of what was told.
        failed: why a receiver was not told, a sentence each.
    """

    notebook: Notebook
    told: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def receivers_of(settings: Settings) -> list[Receiver]:
    """Those that the settings name; none where they name none."""
    found: list[Receiver] = []
    if settings.alert_webhook:
        url = settings.alert_webhook.get_secret_value()
        found.append(Webhook(url, settings.alert_webhook_style))
    if settings.alert_smtp_url and settings.alert_mail_to:
        to = [one.strip() for one in settings.alert_mail_to.split(",")]
        url = settings.alert_smtp_url.get_secret_value()
        found.append(Mailbox(url, settings.alert_mail_from or to[0], to))
    return found


def tell(
    notebook: Notebook,
    matters: Sequence[Matter],
    receivers: Sequence[Receiver],
    desk: str,
    now: datetime,
    keep: Callable[[Notebook], None],
) -> Telling:
    """Tell every receiver what it has not been told.

    It is kept after each: whatever cuts this off, a message may come twice and is never lost.

    Args:
        notebook: as it was kept last.
        matters: all that matters now.
        receivers: who is told.
        desk: address of the Dagster UI.
        now: the store's clock.
        keep: called with each notebook that differs from the one before.
    """
    names = [one.name for one in receivers]
    by_mark = {one.mark: one for one in matters}
    told, failed = [], []
    before, notebook = notebook, notebook.noting(matters, now).only_for(names)
    for receiver in receivers:
        news = notebook.news_for(receiver.name, now)
        message = message_of(notebook, news, by_mark, desk)
        if message is None:
            continue
        try:
            _send_soon(receiver, message)
        except ReceiverError as error:
            failed.append(f"{receiver.name}: {error}")
            notebook = notebook.untold(receiver.name, now)
        else:
            told.append(f"{receiver.name} was told: {message.title}")
            notebook = notebook.told(receiver.name, news).only_for(names)
        keep(notebook)
        before = notebook
    if notebook != before:
        keep(notebook)
    return Telling(notebook, tuple(told), tuple(failed))


def _send_soon(receiver: Receiver, message: Message) -> None:
    """Send a message, and give up in time: a receiver may answer a byte at a time.

    Raises:
        ReceiverError: it was not taken.
    """
    came: list[ReceiverError | None] = []

    def send() -> None:
        try:
            receiver.send(message)
            came.append(None)
        except ReceiverError as error:
            came.append(error)

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    sending.join(SENDING_S)
    if not came:
        raise ReceiverError(f"It did not take the message within {SENDING_S:.0f} s. Is it well?")
    if came[0]:
        raise came[0]
