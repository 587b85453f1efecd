"""`twin-matcher backup` and `twin-matcher restore`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from twin_matcher_dagster.backup.copier import make_backup
from twin_matcher_dagster.backup.place import FolderPlace, Place, open_place
from twin_matcher_dagster.backup.record import check_backup, read_backup
from twin_matcher_dagster.backup.restorer import restore_backup
from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.cli.instance import open_instance
from twin_matcher_dagster.defs.erasure.run_history import forget_everything
from twin_matcher_dagster.errors import BackupError
from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.environment import environment, state_folder
from twin_matcher_dagster.settings import Settings, command
from twin_matcher_dagster.storage.object_store import ObjectStore


def back_up(settings: Settings, where: str | None, keep: int | None, console: Console) -> None:
    """Make a backup, and say what was done.

    Raises:
        BackupError: no place is named, or it cannot be used.
    """
    with opened_bucket(settings) as store, _progress(console) as progress:
        place = _place(settings, where, store)
        made = make_backup(
            store, place, keep or settings.keep_backups, settings.retrain_within, progress
        )
    backup = made.backup
    console.print(
        f"Backup {backup.name}: {len(backup.objects):,} objects, {backup.size / 1e6:,.1f} MB, of "
        f"which {made.copied:,} were copied now.",
        highlight=False,
    )
    if made.removed:
        console.print(f"Deleted older backups: {', '.join(made.removed)}.", highlight=False)
    if made.erased:
        console.print(f"Erased in older backups: {made.erased}.")
    for key in made.damaged:
        console.print(f"[red]missing in the bucket itself:[/] {key}", soft_wrap=True)


def read_whole(settings: Settings, where: str | None, console: Console) -> None:
    """Read the newest backup whole.

    Raises:
        BackupError: there is none, or it is damaged.
    """
    place = _place(settings, where, None)
    backup = read_backup(place)
    with console.status("reading every object ..."):
        check_backup(place, backup)
    console.print(
        f"Backup {backup.name} is whole: {len(backup.objects):,} objects, "
        f"{backup.size / 1e6:,.1f} MB.",
        highlight=False,
    )


def bring_back(
    settings: Settings, where: str | None, name: str | None, console: Console, *, replace: bool
) -> None:
    """Restore a backup into this installation, and have Dagster begin anew.

    What Dagster remembers is of another time, and of people who may not be there any more. It is
    forgotten; what it has to know it is told of the bucket by ``reconciliation``.

    Raises:
        BackupError: the backup is damaged, or the installation is not empty.
        RunsAlreadyError: something of this installation runs.
    """
    with opened_bucket(settings, alone=True) as store:
        place = _place(settings, where, store)
        folder = Path(environment(settings)["DAGSTER_HOME"])
        with open_instance(settings) as instance:
            if instance.get_runs_count() and not replace:
                raise BackupError(
                    "Dagster has a history of another time. Give --replace to delete it, and what "
                    "is in the bucket."
                )
            with _progress(console) as progress:
                done = restore_backup(
                    store, place, name, settings.retrain_within, replace=replace, progress=progress
                )
            forget_everything(instance)
        # SQLite and the logs of runs; the next command writes dagster.yaml again.
        shutil.rmtree(folder)
        if replace and settings.embedded:
            embedded_s3.vacuum(state_folder(settings))
    console.print(
        f"Restored {done.backup.name}: {done.objects:,} objects."
        + (f" {done.erased} uploads were erased since, and are left out." if done.erased else ""),
        highlight=False,
    )
    console.print(f"Next: [bold]{command('up')}[/]")


def _place(settings: Settings, where: str | None, bucket: ObjectStore | None) -> Place:
    """The place that is named, or that is set.

    Raises:
        BackupError: neither is, or it is in the state folder, which ``clean`` deletes.
    """
    text = where or settings.backup_to
    if not text:
        raise BackupError("Name a place, a folder or s3://bucket/prefix, or set BACKUP_TO.")
    place = open_place(text, bucket)
    if isinstance(place, FolderPlace) and place.is_below(state_folder(settings)):
        raise BackupError(
            f"{text} is in the state folder, which is lost with what it is a backup of. Choose a "
            "folder on another disk."
        )
    return place


@contextmanager
def _progress(console: Console) -> Generator[Callable[[float], None]]:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("copying", total=1.0)
        yield lambda share: bars.update(task, completed=share)
