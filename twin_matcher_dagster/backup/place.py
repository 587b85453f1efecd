"""Where backups are kept: a folder, or a part of an S3 bucket; files that are whole or not there.

::

    objects/<sha256>         what was in the bucket, each content once for all backups
    backups/<time>.json      one backup, written last: which objects it is made of, by key
    erased/<sha256>          of the id of an upload that was erased: it must not come back
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import boto3
from botocore.config import Config

from twin_matcher_dagster.errors import BackupError, ObjectMissingError, StorageError
from twin_matcher_dagster.storage.lease import leased
from twin_matcher_dagster.storage.object_store import CLIENT_CONFIG, ObjectStore

_S3 = "s3://"
_PARTIAL = ".partial-"
_OWN_VARIABLES = "BACKUP_AWS_"


class Place(Protocol):
    """Named files, each written whole or not at all."""

    def names(self, folder: str) -> Iterator[str]:
        """Names of all files of a folder, in order; each with the folder before it."""

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            BackupError: it is not there.
            StorageError: the place does not answer.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file, over an earlier one; whoever reads it sees one or the other."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""

    @contextmanager
    def alone(self) -> Generator[Callable[[], None]]:
        """One writer at a time; yields what is to be called now and then.

        Raises:
            TwinMatcherError: another one is at work.
        """


class FolderPlace:
    """A folder, for its owner alone.

    Args:
        folder: made if need be, in one that is there: a disk that is away is no empty place.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_below(self, folder: Path) -> bool:
        """Whether it is a part of a folder."""
        return self._folder.is_relative_to(folder)

    def names(self, folder: str) -> Iterator[str]:
        """Names of all files of a folder, in order."""
        there = self._folder / folder
        found = sorted(there.iterdir()) if there.is_dir() else []
        yield from (f"{folder}/{one.name}" for one in found if not one.name.startswith("."))

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            BackupError: it is not there.
            StorageError: the disk does not give it.
        """
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as error:
            raise BackupError(f"{self._folder / name} is missing.") from error
        except OSError as error:
            raise StorageError(
                f"{self._folder / name} cannot be read: {error.strerror}. Look at the disk."
            ) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file under another name, then give it its own.

        Raises:
            BackupError: there is no room, or no permission.
        """
        path = self._folder / name
        partial = path.with_name(f"{_PARTIAL}{secrets.token_hex(8)}")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(
                os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb"
            ) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise _unwritable(self._folder, error) from error

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Generator[Callable[[], None]]:
        """Hold a lock that ends with this process, and clear away what a killed one left.

        Raises:
            BackupError: another backup goes on here, or the folder cannot be written to.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            file = (self._folder / "lock").open("a+")
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise BackupError(
                    f"Another backup or restore goes on in {self._folder}. Wait for it."
                ) from error
            for left in self._folder.glob(f"*/{_PARTIAL}*"):
                left.unlink(missing_ok=True)
            yield lambda: None


class BucketPlace:
    """What begins with a prefix in a bucket.

    Args:
        store: the bucket.
        prefix: empty for all of it, or ending with a slash.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    def names(self, folder: str) -> Iterator[str]:
        """Names of all files of a folder, in order."""
        for key in self._store.list(f"{self._prefix}{folder}/"):
            yield key.removeprefix(self._prefix)

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            BackupError: it is not there.
            StorageError: the place does not answer.
        """
        try:
            return self._store.get(self._prefix + name)
        except ObjectMissingError as error:
            raise BackupError(
                f"{self._prefix}{name} is missing in {self._store.bucket}."
            ) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file; S3 shows it when it is whole."""
        self._store.overwrite(self._prefix + name, data)

    def delete(self, name: str) -> None:
        """Delete a file, with its old versions."""
        self._store.delete(self._prefix + name)

    @contextmanager
    def alone(self) -> Generator[Callable[[], None]]:
        """Hold a lease.

        Raises:
            StorageError: another backup holds it for long.
        """
        with leased(self._store, f"{self._prefix}lease") as lease:
            yield lease.renew


def open_place(text: str, bucket: ObjectStore | None = None) -> Place:
    """A place as a person names it: a folder, or ``s3://bucket/prefix``.

    Of another account or server than the bucket's own are the variables ``BACKUP_AWS_...``, in the
    place of the usual ``AWS_...``.

    Args:
        text: which.
        bucket: that is to be backed up: its own server is no place for its backup.

    Raises:
        BackupError: no bucket is named, or it is the one that is backed up.
    """
    if not text.startswith(_S3):
        return FolderPlace(Path(text).expanduser().resolve())
    name, _, prefix = text.removeprefix(_S3).partition("/")
    if not name:
        raise BackupError(f"{text!r} names no bucket. Write s3://bucket/prefix.")
    store = ObjectStore(_client(), name)
    if bucket and store.client.meta.endpoint_url == bucket.client.meta.endpoint_url:
        same = name == bucket.bucket
        embedded = os.environ.get("TWIN_MATCHER_EMBEDDED_S3")
        if same or embedded:
            raise BackupError(
                f"{text} is lost together with what it is a backup of. Name a folder on another "
                "disk, another bucket, or another server with the variables BACKUP_AWS_...."
            )
    return BucketPlace(store, f"{prefix.rstrip('/')}/" if prefix.strip("/") else "")


def _client() -> object:
    """A client of the variables ``BACKUP_AWS_...``, or of the usual ones where none is set."""
    own = {
        name.removeprefix(_OWN_VARIABLES).lower(): value
        for name, value in os.environ.items()
        if name.startswith(_OWN_VARIABLES) and value
    }
    if not own:
        return boto3.client("s3", config=CLIENT_CONFIG)
    return boto3.client(
        "s3",
        aws_access_key_id=own.get("access_key_id"),
        aws_secret_access_key=own.get("secret_access_key"),
        region_name=own.get("region"),
        endpoint_url=own.get("endpoint_url_s3"),
        config=CLIENT_CONFIG.merge(Config(ignore_configured_endpoint_urls=True)),
    )


def _unwritable(folder: Path, error: OSError) -> BackupError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BackupError(f"The disk of {folder} is full. Make room, and take the backup again.")
    return BackupError(f"{folder} cannot be written to: {error.strerror}. Choose another folder.")
