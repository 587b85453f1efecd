"""`twin-matcher release`: what was released, back to an earlier one, a worse one all the same."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.settings import Settings

app = typer.Typer(
    help="Releases: list them, go back, overrule the comparison.", no_args_is_help=True
)
console = Console()


@app.command("list")
def list_releases() -> None:
    """Show the releases that are kept, the newest first."""
    from twin_matcher_dagster.storage.logs import releases
    from twin_matcher_dagster.storage.records.release import Withdrawn

    table = Table("release", "at", "model", "identities", "rank-1", "note")
    with opened_bucket(Settings()) as store:
        for entry in releases(store).entries():
            release = entry.record
            if isinstance(release, Withdrawn):
                table.add_row(str(entry.number), "", "", "", "", f"withdrawn: {release.reason}")
                continue
            back = f"back to {release.rolled_back_to}" if release.rolled_back_to else ""
            table.add_row(
                str(entry.number),
                release.released_at.isoformat(timespec="seconds"),
                str(release.model),
                str(len(release.identities)),
                f"{release.figures.fused.rank1:.1%}" if release.figures else "not measured",
                release.override or back,
            )
    console.print(table)


@app.command()
def rollback(number: Annotated[int, typer.Argument(help="Of the release to go back to.")]) -> None:
    """Put an earlier release into production again."""
    from twin_matcher_dagster.release.rollback import roll_back

    with opened_bucket(Settings()) as store:
        release = roll_back(store, number)
    console.print(f"Release {release.number} is release {number} again.")


@app.command()
def override(
    reason: Annotated[str, typer.Argument(help="Why; it is kept with the release.")],
) -> None:
    """Release the newest model that was refused, though it is worse than the released one."""
    import dagster as dg

    from twin_matcher_dagster.cli.instance import open_instance
    from twin_matcher_dagster.definitions import defs
    from twin_matcher_dagster.defs.keys import FACE_INDEX, PRODUCTION_RELEASE

    config = {"ops": {PRODUCTION_RELEASE: {"config": {"override": reason}}}}
    # Then again with everybody who came since it was refused.
    steps = (([PRODUCTION_RELEASE], config), ([FACE_INDEX, PRODUCTION_RELEASE], None))
    with opened_bucket(Settings()), open_instance(Settings()) as instance:
        job = defs().resolve_implicit_global_asset_job_def()
        for assets, run_config in steps:
            done = job.execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                run_config=run_config,
                raise_on_error=False,
            )
            if not done.success:
                raise TwinMatcherError(
                    f"It was not released. The run {done.run_id} in Dagster says why."
                )
    console.print("Released. The runs are in Dagster's history.")
