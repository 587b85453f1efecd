"""The token that lets its holder into Dagster, and what the installation's programs show instead.

It is in the state folder, for its owner alone. Programs do not send it: whatever listens on the
port might not be our webserver. They show a pass made with it, which counts for a minute.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from twin_matcher_dagster.errors import ServicesError

TOKEN_FILE = "dagster-token"  # noqa: S105  a file's name
KEY_FILE = "session-key"

PASS_SECONDS = 60
"""How long a pass counts."""

_PASS = b"pass of a program"
_SALT = "program"
_PROGRAM = "twin-matcher"


def keep_token(home: Path, given: SecretStr | None) -> None:
    """See that there is a token; with one that the operator chose in place of any other.

    Args:
        home: the state folder.
        given: by the operator; None for the one that is there, or a new one.
    """
    path = home / TOKEN_FILE
    if given is not None:
        text = given.get_secret_value()
        if not path.exists() or path.read_text().strip() != text:
            _written(path, text).replace(path)
    elif not path.exists():
        _once(path, secrets.token_urlsafe(32))


def read_token(home: Path) -> str:
    """The token.

    Raises:
        ServicesError: there is none.
    """
    try:
        return (home / TOKEN_FILE).read_text().strip()
    except FileNotFoundError as error:
        raise ServicesError(f"{home} has no token yet. `twin-matcher up` makes one.") from error


def session_key(home: Path, *settings: str) -> bytes:
    """What sessions are signed with. With another token, or other settings, it is another one.

    Args:
        home: the state folder.
        settings: those under which people are let in; whoever is signed in has to do so again when
            one of them changes.
    """
    path = home / KEY_FILE
    if not path.exists():
        _once(path, secrets.token_urlsafe(32))
    text = "\n".join([read_token(home), *settings])
    return hmac.digest(path.read_text().strip().encode(), text.encode(), "sha256")


def program_pass(token: str) -> str:
    """What a program of this installation shows to Dagster's webserver, now."""
    return _signer(token).sign(_PROGRAM).decode()


def is_program_pass(token: str, shown: str) -> bool:
    """Whether what was shown is a pass that was made with the token less than a minute ago."""
    from itsdangerous import BadSignature

    with suppress(BadSignature):
        return _signer(token).unsign(shown, max_age=PASS_SECONDS) == _PROGRAM.encode()
    return False


def authorization(home: Path) -> dict[str, str]:
    """The header with which a program asks Dagster's webserver."""
    return {"Authorization": f"Bearer {program_pass(read_token(home))}"}


def _signer(token: str):
    from itsdangerous import TimestampSigner

    key = hmac.digest(token.encode(), _PASS, "sha256")
    return TimestampSigner(key, salt=_SALT, digest_method=hashlib.sha256)


def _once(path: Path, text: str) -> None:
    """Write a file that is not there; of several at a time the first one counts."""
    partial = _written(path, text)
    with suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()


def _written(path: Path, text: str) -> Path:
    """A file beside another one, complete, and for its owner alone."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text + "\n")
    return partial
