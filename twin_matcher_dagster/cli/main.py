"""The command `twin-matcher`, behind every target of the Makefile."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from twin_matcher_dagster.cli import (
    alerts,
    celebrities,
    export,
    find,
    models,
    release,
    review,
    uploads,
)
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.local.environment import environment, state_folder
from twin_matcher_dagster.local.leftovers import CHILD_MARK
from twin_matcher_dagster.settings import Settings, problems_of

app = typer.Typer(
    help="Find a person's look-alike: the local services and the demo of Twin Matcher.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(celebrities.app, name="celebrities")
app.add_typer(review.app, name="review")
app.add_typer(release.app, name="release")
app.add_typer(export.app, name="export")
app.add_typer(alerts.app, name="alerts")
app.add_typer(uploads.app, name="uploads")
app.command()(find.find)
app.command("compare")(find.compare_photos)
app.command("models")(models.list_models)
console = Console()


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"twin-matcher {version('twin-matcher-dagster')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options before any command."""


@app.command()
def demo() -> None:
    """Run the whole job once: raw faces, a clip, a model, a release, the twins of a photo."""
    from twin_matcher_dagster.local import services

    settings = Settings()
    with services.exclusive_home(settings) as home:
        _run_demo(settings, home)


def _run_demo(settings: Settings, home: Path) -> None:
    from twin_matcher_dagster.cli.demo import Demo
    from twin_matcher_dagster.cli.runs import fail_interrupted_runs

    variables = environment(settings)
    os.environ.update(variables)
    fail_interrupted_runs(settings)
    Demo(settings, variables, home, console).run()


@app.command()
def up(
    only: Annotated[
        list[str] | None,
        typer.Argument(help="Only these of dagster, upload and predict."),
    ] = None,
) -> None:
    """Start everything for use, until Ctrl-C: S3, Dagster, the upload page, the prediction page."""
    from twin_matcher_dagster.access.standing import check_sign_in
    from twin_matcher_dagster.cli import up
    from twin_matcher_dagster.cli.runs import fail_interrupted_runs
    from twin_matcher_dagster.local import services

    settings = Settings()
    wanted = services.chosen(settings, only or [])
    if services.DAGSTER in wanted:
        check_sign_in(settings)
    with services.exclusive_home(settings) as home:
        services.check_ports(settings, wanted)
        variables = environment(settings)
        if services.S3 in wanted and not up.has_release(variables, home):
            console.print("There is no release yet: the demo runs first.")
            _run_demo(settings, home)
        os.environ.update(variables)
        if services.CODE in wanted:
            fail_interrupted_runs(settings)
        up.run(settings, variables, home, wanted, console)


@app.command()
def serve() -> None:
    """Serve both pages and the answers for programs on one port, PREDICT_PORT, until Ctrl-C."""
    from twin_matcher_dagster.cli.serve import serve_both

    sys.exit(serve_both(Settings(), console))


@app.command()
def s3() -> None:
    """Run the embedded S3 server in the foreground."""
    from twin_matcher_dagster.local import embedded_s3, services

    settings = Settings()
    os.environ.update(environment(settings))
    avoid = services.ports(settings).values()
    embedded_s3.serve(state_folder(settings) / "s3", settings.s3_port, avoid)


@app.command()
def sign_in() -> None:
    """Print the address that signs its reader in to Dagster: it has the token in it."""
    from twin_matcher_dagster.local import services

    settings = Settings()
    environment(settings)  # makes the token, if there is none
    print(services.sign_in_url(settings))


@app.command()
def audit(
    days: Annotated[float, typer.Option(min=0, help="So many days back.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, a line each.")] = False,
) -> None:
    """Say who signed in, launched, changed or decided what, and when."""
    from twin_matcher_dagster.cli import audit as auditing

    auditing.print_deeds(Settings(), days, console, as_json=as_json)


@app.command()
def wait_s3() -> None:
    """Return when the embedded S3 server is ready; at once with a bucket of one's own."""
    from twin_matcher_dagster.local import embedded_s3

    settings = Settings()
    if settings.embedded:
        embedded_s3.wait_until_ready(environment(settings))


@app.command()
def env() -> None:
    """Print the variables of the services, for a shell: eval "$(twin-matcher env)"."""
    before = dict(os.environ)
    for name, value in sorted(environment(Settings()).items()):
        # The mark of child processes is not for a person's own shell: `up` would stop it.
        if before.get(name) != value and name != CHILD_MARK:
            print(f"export {name}={shlex.quote(value)}")


@app.command()
def erase(
    upload_id: Annotated[str, typer.Argument(help="As the upload page showed it.")],
    code: Annotated[str | None, typer.Option(help="The erasure code shown with it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="As the operator, without code.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only look whether anything of it is left.")
    ] = False,
) -> None:
    """Take an upload out of everything, or prove that it is out."""
    from twin_matcher_dagster.cli import erase as erasing

    if verify:
        if not erasing.prove_erasure(Settings(), upload_id, console):
            sys.exit(1)
    else:
        erasing.erase_upload(Settings(), upload_id, code, console, force=force)


@app.command()
def status(
    upload_id: Annotated[str, typer.Argument(help="As the upload page showed it.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    no_twin: Annotated[
        bool, typer.Option("--no-twin", help="Be told of no long-lost twin any more.")
    ] = False,
) -> None:
    """Say what became of an upload. Its code is asked for, or taken from TWIN_MATCHER_CODE."""
    from twin_matcher_dagster.cli import status as asking

    asking.print_status(Settings(), upload_id, console, as_json=as_json, no_twin=no_twin)


@app.command()
def backup(
    place: Annotated[
        str | None, typer.Argument(help="A folder, or s3://bucket/prefix; else BACKUP_TO.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="So many backups stay there; else KEEP_BACKUPS.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only read the newest backup whole.")
    ] = False,
) -> None:
    """Copy the bucket to another place, while everything runs; erase there who was erased."""
    from twin_matcher_dagster.cli import backup as backing_up

    if check:
        backing_up.read_whole(Settings(), place, console)
    else:
        backing_up.back_up(Settings(), place, keep, console)


@app.command()
def restore(
    place: Annotated[
        str | None, typer.Argument(help="A folder, or s3://bucket/prefix; else BACKUP_TO.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Name of the backup; else the newest.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what is in this installation before.")
    ] = False,
) -> None:
    """Bring a backup back, without those who were erased since; nothing may run meanwhile."""
    from twin_matcher_dagster.cli import backup as backing_up

    backing_up.bring_back(Settings(), place, at, console, replace=replace)


@app.command()
def clean() -> None:
    """Forget everything local: objects, releases, Dagster's history, logs."""
    from twin_matcher_dagster.local import services

    settings = Settings()
    with services.exclusive_home(settings) as home:
        shutil.rmtree(home)
    console.print(f"{home} is gone.")


def main() -> None:
    """Run the command; a problem that a person can act on is one message, not a traceback."""
    # So that `with` blocks stop the services however the command is stopped. SIGINT too: a shell
    # lets processes that it starts in the background ignore it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        app()  # leaves with 130 when it is interrupted
    except TwinMatcherError as error:
        console.print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        for problem in problems_of(error):
            console.print(f"[bold red]Error:[/] {escape(problem)}", soft_wrap=True)
        sys.exit(1)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    console.print("Stopping ...")
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
