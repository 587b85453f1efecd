"""The environment that the services run in."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local.dagster_storage import PG_URL, database_url, instance_folder
from twin_matcher_dagster.local.leftovers import CHILD_MARK, PAGES_FOLDER
from twin_matcher_dagster.local.ports import temporary_folder
from twin_matcher_dagster.local.sign_in_token import keep_token
from twin_matcher_dagster.settings import (
    BUNDLED_BACKBONE,
    BUNDLED_RECOGNISER,
    CHOSEN_FILE,
    EMBEDDED_BUCKET,
    SAMPLE_SOURCE,
    SMALL_BACKBONE,
    Settings,
    chosen_settings,
    command,
)

WORKSPACE = Path(__file__).with_name("workspace.yaml")
"""Where Dagster finds the definitions."""

# The address of a Unix socket has 108 bytes on Linux and 104 on macOS, the end included.
_SOCKET_BYTES = 100


def state_folder(settings: Settings) -> Path:
    """The folder of the local services' state, for its owner alone; made if need be.

    Raises:
        ServicesError: the folder is not ours.
    """
    home = settings.twin_matcher_home.expanduser().resolve()
    marker = home / "twin-matcher-state"
    if home.exists() and not marker.exists() and (home.is_file() or any(home.iterdir())):
        raise ServicesError(
            f"{home} holds something else. Set TWIN_MATCHER_HOME to a new or empty folder: "
            f"`{command('clean')}` deletes all of it."
        )
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    marker.touch()
    return home


def environment(settings: Settings) -> dict[str, str]:
    """All variables of a child process: this process's own, completed.

    With the embedded S3 server they point the usual AWS variables at it and hide the person's own
    AWS configuration; with a bucket of their own they are left as they are.
    """
    home = state_folder(settings)
    keep_token(home, settings.dagster_token)
    variables = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "TWIN_MATCHER_HOME": str(home),
        CHILD_MARK: str(home),
        "DAGSTER_HOME": str(instance_folder(home, settings)),
        "BACKBONE": absolute(settings.backbone, SMALL_BACKBONE, BUNDLED_BACKBONE),
        "RECOGNISER": absolute(settings.recogniser, BUNDLED_RECOGNISER),
        "TWIN_MATCHER_WORKSPACE": str(WORKSPACE),
        "CODE_SERVER_SOCKET": str(_code_server_socket(home)),
        # A code server that is stopped waits for calls that go on.
        "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "2",
        "HOST": settings.host,
        "S3_PORT": str(settings.s3_port),
        "DAGSTER_PORT": str(settings.dagster_port),
        "UPLOAD_PORT": str(settings.upload_port),
        "PREDICT_PORT": str(settings.predict_port),
        # Threads of torch that wait sleep instead of spinning: other services share the cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        # What visitors show to a page stays in the owner's own folder until it is forgotten.
        "GRADIO_TEMP_DIR": str(home / PAGES_FOLDER),
        # Nobody is told what runs here.
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        # A proxy of the surroundings is not for this machine's own services.
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"])),
    }
    variables["no_proxy"] = variables["NO_PROXY"]
    # What was chosen for the installation is read where it is needed: it may change while services
    # run.
    if os.environ.get("RAW_FACES"):
        variables["RAW_FACES"] = absolute(settings.raw_faces, SAMPLE_SOURCE)
    for name, path in (("TLS_CERT", settings.tls_cert), ("TLS_KEY", settings.tls_key)):
        if path:
            variables[name] = absolute(str(path))
    if settings.dagster_pg_url:
        variables[PG_URL] = database_url(settings.dagster_pg_url)
    # It is in the state folder now; no service has to have it in its environment.
    variables.pop("DAGSTER_TOKEN", None)
    if settings.embedded:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            variables.pop(name, None)
        variables.update(
            TWIN_MATCHER_BUCKET=EMBEDDED_BUCKET,
            TWIN_MATCHER_EMBEDDED_S3="1",
            AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{settings.s3_port}",
            AWS_REGION="us-east-1",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_CONFIG_FILE=os.devnull,
            AWS_SHARED_CREDENTIALS_FILE=os.devnull,
            AWS_EC2_METADATA_DISABLED="true",
            **_local_credentials(home),
        )
    return variables


def absolute(value: str, *words: str) -> str:
    """A path, if it is one, whatever the working directory of the process that reads it."""
    path = Path(value).expanduser()
    return str(path.resolve()) if value not in words and path.exists() else value


def keep_setting(settings: Settings, name: str, value: str) -> None:
    """Choose a setting for this installation; services that run read it with their next run.

    Args:
        settings: of the installation.
        name: one of :data:`~twin_matcher_dagster.settings.CHOSEN`.
        value: no secret: it is written to the disk.
    """
    home = state_folder(settings)
    path = home / CHOSEN_FILE
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({**chosen_settings(home), name: value}, indent=2))
    partial.rename(path)


def _code_server_socket(home: Path) -> Path:
    """Where the code server listens: it asks for no credentials, so in a folder of its owner."""
    socket = home / "code.sock"
    if len(os.fsencode(socket)) <= _SOCKET_BYTES:
        return socket
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return temporary_folder("sockets") / f"{name}.sock"


def _local_credentials(home: Path) -> dict[str, str]:
    """Random credentials of the embedded S3 server, made once, readable by their owner only."""
    path = home / "s3-credentials.json"
    if not path.exists():
        made = {
            "AWS_ACCESS_KEY_ID": "TM" + secrets.token_hex(9).upper(),
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        }
        # Complete under another name first: a kill in between leaves no half file.
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(made, file)
        partial.rename(path)
    return json.loads(path.read_text())
