"""Room on the disk: asked before an upload is sent to a store on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import DiskFullError
from twin_matcher_dagster.settings import Settings

RESERVED_SHARE = 0.03
"""Of a disk, for whoever else is on it: SeaweedFS stops writing below 1%."""


def raise_if_full(folder: Path, coming: int = 0) -> None:
    """See whether there is room on a disk.

    Args:
        folder: on it.
        coming: bytes that will be written.

    Raises:
        DiskFullError: there is none.
    """
    disk = shutil.disk_usage(folder)
    if disk.free - coming < RESERVED_SHARE * disk.total:
        raise DiskFullError(refusals.DISK_FULL())


def raise_if_store_full(settings: Settings) -> None:
    """See whether there is room for an upload, where the store is on this machine.

    Raises:
        DiskFullError: there is none.
    """
    if settings.embedded and settings.twin_matcher_home.exists():
        raise_if_full(settings.twin_matcher_home)
