"""`twin-matcher release`: what was released, back to an earlier one, a worse one all the same."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from twin_matcher_dagster.cli.erase import open_store
from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.settings import Settings

app = typer.Typer(
    help="Releases: list them, go back, overrule the comparison.", no_args_is_help=True
)
console = Console()


@app.command("list")
def list_releases() -> None:
    """Show the releases that are kept, the newest first."""
    from twin_matcher_dagster.erasure.retention import entries
    from twin_matcher_dagster.storage import layout

    table = Table("release", "at", "model", "identities", "rank-1", "note")
    with open_store(Settings()) as store:
        for one in entries(store, layout.RELEASES):
            body = one.body
            if "withdrawn" in body:
                table.add_row(str(one.number), "", "", "", "", f"withdrawn: {body['withdrawn']}")
                continue
            back = f"back to {body['rolled_back_to']}" if "rolled_back_to" in body else ""
            table.add_row(
                str(one.number),
                body["released_at"],
                str(body["model"]),
                str(len(body["identities"])),
                f"{body['figures']['fused']['rank1']:.1%}",
                body["override"] or back,
            )
    console.print(table)


@app.command()
def rollback(number: Annotated[int, typer.Argument(help="Of the release to go back to.")]) -> None:
    """Put an earlier release into production again."""
    from twin_matcher_dagster.release.rollback import roll_back

    with open_store(Settings()) as store:
        release = roll_back(store, number)
    console.print(f"Release {release.number} is release {number} again.")


@app.command()
def override(
    reason: Annotated[str, typer.Argument(help="Why; it is kept with the release.")],
) -> None:
    """Release the newest model that was refused, though it is worse than the released one."""
    import dagster as dg

    from twin_matcher_dagster.definitions import defs
    from twin_matcher_dagster.defs.keys import FACE_INDEX, PRODUCTION_RELEASE

    config = {"ops": {PRODUCTION_RELEASE: {"config": {"override": reason}}}}
    # Then again with everybody who came since it was refused.
    steps = (([PRODUCTION_RELEASE], config), ([FACE_INDEX, PRODUCTION_RELEASE], None))
    with open_store(Settings()), dg.DagsterInstance.get() as instance:
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
