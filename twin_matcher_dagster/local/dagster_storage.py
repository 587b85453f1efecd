"""Where Dagster keeps its own history: SQLite in the state folder, or a PostgreSQL database."""

from __future__ import annotations

import secrets
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.settings import Settings

PG_URL = "DAGSTER_PG_URL"
"""The variable with the address and the password of the database; no file holds them."""

CONFIGURATION = Path(__file__).with_name("dagster.yaml")

_POSTGRES = f"""
storage:
  postgres:
    postgres_url:
      env: {PG_URL}
"""
# A server on another continent answers within a second; one that is starting, after a few.
_CONNECT_SECONDS = 10


def instance_folder(home: Path, settings: Settings) -> Path:
    """The folder of the Dagster instance with its dagster.yaml, which is written if need be.

    One a bucket, because what Dagster remembers of uploads and versions is of one bucket; and one a
    kind of storage, so that a command in a shell without the variable changes nothing of an
    installation that runs with it.

    Args:
        home: the state folder.
        settings: of the installation.
    """
    kind = "postgres" if settings.dagster_pg_url else "dagster"
    folder = home / (kind if settings.embedded else f"{kind}-{settings.twin_matcher_bucket}")
    folder.mkdir(exist_ok=True)
    text = CONFIGURATION.read_text() + (_POSTGRES if settings.dagster_pg_url else "")
    file = folder / CONFIGURATION.name
    # Earlier versions made a link; a moved checkout left it leading nowhere.
    if file.is_symlink() or not file.exists() or file.read_text() != text:
        # Whole under another name first: every service comes by here.
        partial = folder / f".{CONFIGURATION.name}.{secrets.token_hex(4)}"
        partial.write_text(text)
        partial.replace(file)
    return folder


def database_url(secret: SecretStr) -> str:
    """The address with the driver that dagster-postgres is made for.

    SQLAlchemy 2.1 takes psycopg 3 where none is named.
    """
    return f"postgresql+psycopg2:{secret.get_secret_value().split(':', 1)[1]}"


def check_storage(settings: Settings) -> None:
    """See that Dagster's history can be opened.

    Raises:
        ServicesError: the driver of PostgreSQL is missing, or the database cannot be opened.
    """
    if settings.dagster_pg_url is None:
        return
    if find_spec("dagster_postgres") is None:
        raise ServicesError(
            f"{PG_URL} is set, and the extra `postgres` is not installed. Install it: "
            "pip install 'twin-matcher-dagster[postgres]', or unset the variable for SQLite."
        )
    psycopg2 = import_module("psycopg2")
    url = database_url(settings.dagster_pg_url).replace("+psycopg2", "", 1)
    try:
        psycopg2.connect(url, connect_timeout=_CONNECT_SECONDS).close()
    except psycopg2.Error as error:
        said = (str(error).strip() or "no answer").splitlines()[0]
        if password := urlsplit(url).password:
            said = said.replace(password, "***")
        raise ServicesError(
            f"Dagster's database cannot be opened: {said}. Start the server, or check user, "
            f"password and database in {PG_URL}."
        ) from None
