"""Look at a collection of faces, and make it the installation's celebrities."""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from twin_matcher_dagster.celebrities.balancing import BalancePlan
from twin_matcher_dagster.celebrities.sources import check_source, path_of, plain_source
from twin_matcher_dagster.celebrities.survey import Survey, survey
from twin_matcher_dagster.cli.bucket import ready_bucket
from twin_matcher_dagster.cli.display import Display, dagster_address, teller
from twin_matcher_dagster.cli.follower import follow
from twin_matcher_dagster.cli.instance import open_instance
from twin_matcher_dagster.cli.outlook import Lookout
from twin_matcher_dagster.cli.run_watcher import Watcher
from twin_matcher_dagster.cli.runs import fail_interrupted_runs, launch_job
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs.keys import ASSETS, BALANCED_FACES, CELEBRITIES_JOB, RAW_FACES
from twin_matcher_dagster.errors import RunsAlreadyError, ServicesError, SourceError
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import environment, keep_setting, state_folder
from twin_matcher_dagster.settings import SAMPLE, SAMPLE_SOURCE, Settings, command
from twin_matcher_dagster.storage.logs import raw_versions, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Withdrawn
from twin_matcher_dagster.training.start import epochs_of

# Lines of a table on a screen.
_SHOWN = 60

console = Console()


def check_collection(source: str, *, everything: bool) -> None:
    """Look at a source and keep nothing.

    Args:
        source: as for ``celebrities.sources.read_source``.
        everything: whether everybody and every skipped file is shown.

    Raises:
        SourceError: nothing could be learnt of it.
    """
    found = _survey(source, everything)
    if found.trouble:
        raise SourceError(f"Nothing could be learnt of it. {found.trouble}")
    console.print(f"To use it: twin-matcher celebrities use {escape(shlex.quote(source))}")


def use_collection(source: str, *, everything: bool) -> None:
    """Take a source as this installation's celebrities, and follow what is made of it.

    Args:
        source, everything: as for :func:`check_collection`.

    Raises:
        TwinMatcherError: nothing could be learnt of it, or why nothing was made of it.
    """
    settings = Settings()
    wanted = _whole(source)
    _check_environment(wanted)
    found = _survey(source, everything)
    if found.trouble:
        raise SourceError(
            f"Nothing was changed, for nothing could be learnt of it. {found.trouble}"
        )
    keep_setting(settings, "raw_faces", wanted)
    if os.environ.get("MIN_FACES"):
        keep_setting(settings, "min_faces", str(settings.min_faces))
    settings = Settings()
    variables = environment(settings)
    os.environ.update(variables)
    with ExitStack() as stack:
        store, log = stack.enter_context(_running(settings, variables))
        _make(stack, settings, store, wanted, log)
    console.print(
        f"These are the celebrities now, until another `twin-matcher celebrities use`. Next: "
        f"[bold]{command('up')}[/], if it does not run already.",
        soft_wrap=True,
    )


def _whole(source: str) -> str:
    """A source as it is kept: a path from the root of the disk, an address without a token."""
    check_source(source)
    path = path_of(source, SAMPLE / "faces.parquet")
    is_path = source != SAMPLE_SOURCE and path.exists()
    return str(path.resolve()) if is_path else plain_source(source)


def _check_environment(wanted: str) -> None:
    """See that no variable of this shell would count before what is chosen here.

    Raises:
        ServicesError: one would.
    """
    here = os.environ.get("RAW_FACES")
    if here and _whole(here) != wanted:
        raise ServicesError(
            f"RAW_FACES is {here!r} in this shell and counts before what is chosen here. Run "
            "`unset RAW_FACES`, and then this again."
        )


def _survey(source: str, everything: bool) -> Survey:
    with console.status("looking ..."):
        settings = Settings(raw_faces=source)
        found = survey(
            source,
            SAMPLE / "faces.parquet",
            epochs_of(settings),
            BalancePlan(min_faces=settings.min_faces),
            recogniser=settings.recogniser,
        )
    _show(found, None if everything else _SHOWN)
    return found


def _show(found: Survey, most: int | None) -> None:
    """Everybody with photos and fate, what was decided and what was skipped."""
    table = Table("person", Column("photos", justify="right"), "")
    # Those who are left out first, where not all fit.
    shown = sorted(found.prospects, key=lambda one: not one.left_out)[:most]
    for one in (one for one in found.prospects if one in shown):
        fate = f"is left out: {one.left_out}" if one.left_out else ""
        table.add_row(escape(one.name), f"{one.photos:,}", escape(fate))
    _say_rest(table, len(found.prospects) - len(shown))
    console.print(table)
    for sentence in found.report.notes:
        console.print(escape(sentence), soft_wrap=True)
    skipped = list(found.report.rows())
    if skipped:
        table = Table("skipped", "why")
        for name, reason in skipped[:most]:
            table.add_row(escape(name), escape(reason))
        _say_rest(table, len(skipped[most:]) if most else 0)
        console.print(table)
    reading, training = found.seconds
    lines = (
        found.report.sentence(),
        *([] if found.trouble else [found.fate]),
        f"Of {found.tried} photos that were looked at, {found.with_face} show a face.",
        f"To read and clean it takes about {_time(reading)} on this machine, and to train about "
        f"{_time(training)} on two cores.",
    )
    for line in lines:
        console.print(escape(line), soft_wrap=True, highlight=False)


def _say_rest(table: Table, count: int) -> None:
    if count > 0:
        table.add_row(f"... and {count:,} more (--all shows them)")


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.0f} hours"


@contextmanager
def _running(settings: Settings, variables: dict[str, str]) -> Generator[tuple[ObjectStore, Path]]:
    """The bucket, with Dagster running: that of `up` where it runs, else for this time."""
    with ExitStack() as stack:
        try:
            home = stack.enter_context(services.exclusive_home(settings))
        except RunsAlreadyError:
            yield ready_bucket(settings, variables), state_folder(settings) / "up.log"
            return
        fail_interrupted_runs(settings)
        wanted = [*([services.S3] * settings.embedded), *services.ORCHESTRATION]
        services.check_ports(settings, wanted)
        log = home / "celebrities.log"
        log.unlink(missing_ok=True)
        console.print(f"[dim]Services log to {log}[/]")
        running = services.running(wanted, variables, log, teller(console))
        stack.enter_context(running).wait_until_ready()
        yield ready_bucket(settings, variables), log


def _make(stack: ExitStack, settings: Settings, store: ObjectStore, wanted: str, log: Path) -> None:
    """Launch the job, and follow it up to a release of these celebrities."""
    instance = stack.enter_context(open_instance(settings))
    lookout = Lookout(store, instance)
    address = dagster_address(settings, console)
    console.print(f"[dim]Dagster is at {address}[/]", soft_wrap=True)
    # By name: services that were started with other settings read these all the same.
    config = {RAW_FACES: {"source": wanted}, BALANCED_FACES: {"min_faces": settings.min_faces}}
    watcher = Watcher(instance, launch_job(settings, CELEBRITIES_JOB, config))

    def is_released() -> bool:
        """Whether the newest release is of these celebrities, and nothing goes on or is due."""
        raw, head = raw_versions(store).head(), releases(store).head()
        if raw is None or head is None or raw.record.source != wanted or watcher.busy():
            return False
        release = head.record
        if isinstance(release, Withdrawn):
            return False
        if read_version(store, release.dataset).balanced.raw != raw.number:
            return False
        # The first release of new people is by the model that was there; one by theirs may follow.
        return not lookout.outlook().follows

    with Display(console, ASSETS) as display:
        # A training of earlier celebrities may go on, and fail, meanwhile.
        follow(watcher, display, lambda: not watcher.busy(), lookout.outlook, log)
        watcher.widen()
        follow(watcher, display, is_released, lookout.outlook, log)
    if told := lookout.refusal():
        console.print(escape(told), soft_wrap=True)
