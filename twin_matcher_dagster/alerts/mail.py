"""A message by mail: SMTP, encrypted from the first byte or by STARTTLS."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from twin_matcher_dagster.alerts.words import Message
from twin_matcher_dagster.errors import ReceiverError

MAIL_WAIT_S = 10.0
"""For each answer of the server."""

_PORTS = {"smtp": 587, "smtps": 465}
_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


class Mailbox:
    """A receiver that gets mail.

    Args:
        url: of the server, with user and password: it is told in no message and no log.
        sender: address.
        to: addresses.

    Attributes:
        name: by which it is known in the notebook.
    """

    name = "mail"

    def __init__(self, url: str, sender: str, to: Sequence[str]) -> None:
        self._url, self._sender, self._to = urlsplit(url), sender, list(to)

    def send(self, message: Message) -> None:
        """Hand a message over to the server.

        Raises:
            ReceiverError: it was not taken, or not for all addresses.
        """
        host = self._url.hostname or ""
        try:
            with self._connected(host) as server:
                if self._url.username:
                    server.login(unquote(self._url.username), unquote(self._url.password or ""))
                refused = server.send_message(self._letter(message), self._sender, self._to)
        except smtplib.SMTPAuthenticationError:
            raise ReceiverError(
                f"{host} does not take the password. Check ALERT_SMTP_URL."
            ) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            # What the server says may repeat what it was told.
            raise ReceiverError(
                f"{host} did not take the mail ({_kind(error)}). Check ALERT_SMTP_URL, "
                "ALERT_MAIL_TO and ALERT_MAIL_FROM."
            ) from None
        if refused:
            raise ReceiverError(
                f"{host} refused {len(refused)} of {len(self._to)} addresses. Check ALERT_MAIL_TO."
            )

    def _connected(self, host: str) -> smtplib.SMTP:
        port = self._url.port or _PORTS[self._url.scheme]
        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=MAIL_WAIT_S, context=context)
        server = smtplib.SMTP(host, port, timeout=MAIL_WAIT_S)
        try:
            server.ehlo()
            # Nothing goes over a network in the clear; a relay on this machine may have no key.
            if server.has_extn("starttls") or host not in _THIS_MACHINE:
                server.starttls(context=context)
                server.ehlo()
        except BaseException:
            server.close()
            raise
        return server

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = message.title
        letter["From"], letter["To"] = self._sender, ", ".join(self._to)
        letter["Date"] = formatdate(usegmt=True)
        letter["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer is expected
        letter.set_content(message.text)
        return letter


def _kind(error: Exception) -> str:
    """The kind of an error, and the code of the server's answer."""
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
