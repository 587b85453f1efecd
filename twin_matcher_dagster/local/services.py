"""The services of one machine: what runs, where, and one installation at a time."""

from __future__ import annotations

import fcntl
import shlex
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template

from twin_matcher_dagster.errors import RunsAlreadyError, ServicesError
from twin_matcher_dagster.local import health
from twin_matcher_dagster.local.environment import state_folder
from twin_matcher_dagster.local.kept_service import Patience, Service
from twin_matcher_dagster.local.leftovers import forget_visitors, start_guard, stop_leftovers
from twin_matcher_dagster.local.ports import is_free
from twin_matcher_dagster.local.sign_in_token import read_token
from twin_matcher_dagster.local.supervisor import Supervisor
from twin_matcher_dagster.settings import Settings, command, reached_host

S3 = "s3"
CODE = "code"
DAEMON = "daemon"
DAGSTER = "dagster"
UPLOAD = "upload"
PREDICT = "predict"

ORCHESTRATION = (CODE, DAGSTER, DAEMON)
"""What Dagster is made of: the code server with its runs, the webserver, the daemon."""

BY_THEMSELVES = {DAGSTER: ORCHESTRATION, UPLOAD: (UPLOAD,), PREDICT: (PREDICT,)}
"""What can run by itself, with a bucket of one's own."""

_SECRETS = {
    "OPENID_CLIENT_SECRET": DAGSTER,
    # The code server evaluates the sensor that tells. Who is told belongs to the server of mail.
    "ALERT_WEBHOOK": CODE,
    "ALERT_SMTP_URL": CODE,
    "ALERT_MAIL_TO": CODE,
}
"""Variables that one service alone is given."""

PROCFILE = Path(__file__).with_name("Procfile")

_NEEDS = {
    CODE: {S3},
    DAGSTER: {S3, CODE},
    DAEMON: {S3, CODE},
    UPLOAD: {S3},
    PREDICT: {S3},
}


def names(settings: Settings) -> list[str]:
    """All services of `twin-matcher up`; with a bucket of one's own there is no embedded S3."""
    own = [*ORCHESTRATION, UPLOAD, PREDICT]
    return [S3, *own] if settings.embedded else own


def chosen(settings: Settings, only: Collection[str]) -> list[str]:
    """The services that somebody asked for, in their order; all, if they asked for none.

    Raises:
        ServicesError: one does not exist, or cannot run without the embedded S3 server.
    """
    if unknown := sorted(set(only) - BY_THEMSELVES.keys()):
        known = ", ".join(BY_THEMSELVES)
        raise ServicesError(f"There is no service {', '.join(unknown)}. Choose of {known}.")
    if only and settings.embedded:
        raise ServicesError(
            "Single services run with a bucket of your own only. Set TWIN_MATCHER_BUCKET, or run "
            f"all with `{command('up')}`."
        )
    wanted = [name for one in only for name in BY_THEMSELVES[one]]
    return [name for name in names(settings) if not only or name in wanted]


def urls(settings: Settings) -> dict[str, str]:
    """Where each service is."""
    host, https = reached_host(settings.host), bool(settings.tls_cert)
    here = {
        name: f"{_scheme(name, https)}://{host}:{port}" for name, port in ports(settings).items()
    }
    return {**here, S3: f"http://127.0.0.1:{settings.s3_port}"}


def sign_in_url(settings: Settings) -> str:
    """Where Dagster is, for a person: with the token in it, where that is how people sign in."""
    url = settings.dagster_address
    if settings.sign_in != "token":
        return url
    return f"{url}/?token={read_token(state_folder(settings))}"


def _scheme(service: str, https: bool) -> str:
    """How a service is asked, where there is a certificate."""
    return "https" if https and service in (DAGSTER, UPLOAD, PREDICT) else "http"


@contextmanager
def exclusive_home(settings: Settings) -> Generator[Path]:
    """Hold the state folder alone, and clear away what a killed predecessor left running.

    A guard clears away what is left should this process be killed.

    Raises:
        RunsAlreadyError: another process of this installation runs.
    """
    home = state_folder(settings)
    with (home / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunsAlreadyError(
                f"Twin Matcher runs already with the state in {home}. Stop it with Ctrl-C where "
                "it runs, or set TWIN_MATCHER_HOME to another folder."
            ) from error
        stop_leftovers(home)
        forget_visitors(home)
        guard = start_guard(home)
        try:
            yield home
        finally:
            stop_leftovers(home)
            forget_visitors(home)
            guard.communicate()


def ports(settings: Settings) -> dict[str, int]:
    """The port of each service."""
    return {
        S3: settings.s3_port,
        DAGSTER: settings.dagster_port,
        UPLOAD: settings.upload_port,
        PREDICT: settings.predict_port,
    }


def check_ports(settings: Settings, services: Collection[str]) -> None:
    """See that every port is free.

    Raises:
        ServicesError: one is taken; it names the variable to set.
    """
    for service, port in ports(settings).items():
        host = "127.0.0.1" if service == S3 else settings.host
        if service in services and not is_free(port, host):
            raise ServicesError(
                f"Port {port}, wanted for {service}, is taken. Stop what uses it, or choose "
                f"another one: {service.upper()}_PORT={port + 1000} {command('up')}"
            )


def commands(variables: Mapping[str, str]) -> dict[str, list[str]]:
    """The arguments of each service, as the Procfile says.

    Args:
        variables: that it names.
    """
    lines = (line.split(": ", 1) for line in PROCFILE.read_text().splitlines())
    return {
        name: [Template(part).substitute(variables) for part in shlex.split(text)]
        for name, text in lines
    }


def questions(variables: Mapping[str, str]) -> dict[str, health.Question]:
    """What each service is asked.

    Args:
        variables: that say where it is.
    """

    def url(service: str) -> str:
        scheme = _scheme(service, bool(variables.get("TLS_CERT")))
        return (
            f"{scheme}://{reached_host(variables['HOST'])}:{variables[f'{service.upper()}_PORT']}"
        )

    home = Path(variables["TWIN_MATCHER_HOME"])
    return {
        S3: health.store_question(variables),
        CODE: health.code_server_question(Path(variables["CODE_SERVER_SOCKET"])),
        DAGSTER: health.webserver_question(url(DAGSTER), home),
        DAEMON: health.daemon_question(url(DAGSTER), home),
        UPLOAD: health.page_question(url(UPLOAD)),
        PREDICT: health.page_question(url(PREDICT)),
    }


@contextmanager
def running(
    wanted: Collection[str],
    variables: Mapping[str, str],
    log: Path,
    say: Callable[[str], None] = lambda sentence: None,
) -> Generator[Supervisor]:
    """Run services for as long as the block lasts; what ends or does not answer is started again.

    Args:
        wanted: names of the services.
        variables: their environment, of :func:`environment`.
        log: file for their output, and for what was done with them.
        say: tells a person what was done with them.
    """
    home = Path(variables["TWIN_MATCHER_HOME"])
    supervisor = Supervisor(described(wanted, variables), variables, home, log, say, Patience())
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def described(wanted: Collection[str], variables: Mapping[str, str]) -> list[Service]:
    """What is to run: how it is started, what it is asked, and what it is not told.

    Args:
        wanted: names of the services.
        variables: their environment.
    """
    arguments, asked = commands(variables), questions(variables)
    return [
        Service(
            name,
            arguments[name],
            asked[name],
            frozenset(_NEEDS.get(name, ())),
            frozenset(secret for secret, owner in _SECRETS.items() if owner != name),
        )
        for name in arguments
        if name in wanted
    ]
