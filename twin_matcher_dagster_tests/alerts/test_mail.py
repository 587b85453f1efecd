"""Mail to a real SMTP server: with STARTTLS, with a password, and to one that is not well."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from twin_matcher_dagster.alerts import mail
from twin_matcher_dagster.alerts.mail import Mailbox
from twin_matcher_dagster.alerts.words import Line, Message
from twin_matcher_dagster.errors import ReceiverError
from twin_matcher_dagster_tests.alerts.receivers import closed_port, silent_receiver

PASSWORD = "p@ss/word"
QUOTED = "p%40ss%2Fword"
MESSAGE = Message("Twin Matcher: Zoë's disk", (Line("A disk", "It is full.", "https://desk/x"),))
TO = ["operator@example.com", "other@example.com"]


class Post:
    """Takes mail, or refuses it."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.answer = "250 OK"
        self.refused = ""

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, to: str, *_: Any
    ) -> str:
        if to == self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        if self.answer.startswith("250"):
            letter = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(letter, EmailMessage)
            self.letters.append(letter)
        return self.answer


def authenticator(server: Any, session: Any, envelope: Any, how: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (b"desk", PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    )
    where = ["-keyout", f"{path}.key", "-out", str(path)]
    subprocess.run([*command.split(), *where], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.key").read_text())
    return path


@pytest.fixture(scope="module")
def servers(certificate: Path) -> Iterator[tuple[Controller, Controller, Post]]:
    """One that asks for STARTTLS and a password, one that knows neither, and what both got."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    post = Post()
    safe = Controller(
        post,
        "127.0.0.1",
        closed_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticator,
    )
    plain = Controller(post, "127.0.0.1", closed_port())
    for one in (safe, plain):
        one.start()
    yield safe, plain, post
    for one in (safe, plain):
        one.stop()


@pytest.fixture
def post(
    servers: tuple[Controller, Controller, Post],
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Post:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    _, _, post = servers
    post.letters.clear()
    post.answer, post.refused = "250 OK", ""
    return post


def mailbox(url: str) -> Mailbox:
    return Mailbox(url, "desk@example.com", TO)


def test_it_arrives_encrypted_and_with_a_password(
    servers: tuple[Controller, Controller, Post], post: Post
) -> None:
    safe, _, _ = servers
    mailbox(f"smtp://desk:{QUOTED}@127.0.0.1:{safe.port}").send(MESSAGE)
    (letter,) = post.letters
    assert letter["subject"] == MESSAGE.title
    assert letter["to"] == ", ".join(TO)
    assert letter["auto-submitted"] == "auto-generated"
    assert letter.get_content().split() == MESSAGE.text.split()


def test_a_wrong_password_and_what_it_was_are_not_told(
    servers: tuple[Controller, Controller, Post], post: Post
) -> None:
    safe, _, _ = servers
    with pytest.raises(ReceiverError, match="does not take the password") as caught:
        mailbox(f"smtp://desk:wrong-one@127.0.0.1:{safe.port}").send(MESSAGE)
    assert "wrong-one" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    servers: tuple[Controller, Controller, Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    safe, _, post = servers
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    post.letters.clear()
    with pytest.raises(ReceiverError, match="SSLCertVerificationError"):
        mailbox(f"smtp://desk:{QUOTED}@127.0.0.1:{safe.port}").send(MESSAGE)
    assert post.letters == []


def test_in_the_clear_to_this_machine_alone(
    servers: tuple[Controller, Controller, Post],
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, plain, _ = servers
    mailbox(f"smtp://127.0.0.1:{plain.port}").send(MESSAGE)
    assert len(post.letters) == 1
    monkeypatch.setattr(mail, "_THIS_MACHINE", set())
    with pytest.raises(ReceiverError, match="SMTPNotSupportedError"):
        mailbox(f"smtp://127.0.0.1:{plain.port}").send(MESSAGE)
    assert len(post.letters) == 1


def test_whoever_refuses_was_not_told(
    servers: tuple[Controller, Controller, Post], post: Post
) -> None:
    _, plain, _ = servers
    box = mailbox(f"smtp://127.0.0.1:{plain.port}")
    post.answer = "554 spam"
    with pytest.raises(ReceiverError, match="SMTPDataError 554"):
        box.send(MESSAGE)
    post.answer, post.refused = "250 OK", TO[0]
    with pytest.raises(ReceiverError, match="refused 1 of 2"):
        box.send(MESSAGE)


def test_whoever_is_away_was_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "MAIL_WAIT_S", 0.2)
    with silent_receiver() as port:
        for url in (f"smtp://127.0.0.1:{port}", f"smtps://127.0.0.1:{port}"):
            with pytest.raises(ReceiverError, match="did not take the mail"):
                mailbox(url).send(MESSAGE)
    with pytest.raises(ReceiverError, match="ConnectionRefusedError"):
        mailbox(f"smtp://127.0.0.1:{closed_port()}").send(MESSAGE)


def test_a_line_break_makes_no_header() -> None:
    box = Mailbox(f"smtp://127.0.0.1:{closed_port()}", "desk@example.com", TO)
    with pytest.raises(ValueError, match="Header"):
        box._letter(Message("Hello\nBcc: all@example.com", ()))
