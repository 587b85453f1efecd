"""`twin-matcher erase`: for the operator, and for whoever has a code and no browser."""

from __future__ import annotations

from rich.console import Console

from twin_matcher_dagster.cli.bucket import opened_bucket
from twin_matcher_dagster.erasure import eraser, request
from twin_matcher_dagster.errors import ErasureError
from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.environment import state_folder
from twin_matcher_dagster.settings import Settings, command


def erase_upload(
    settings: Settings, upload_id: str, code: str | None, console: Console, *, force: bool
) -> None:
    """Erase an upload everywhere, and say what was done.

    Raises:
        ErasureError: neither code nor force, a wrong code, or no such upload.
    """
    if not force and code is None:
        raise ErasureError("Give the erasure code with --code, or --force as the operator.")
    with opened_bucket(settings) as store:
        if code is not None:
            done = request.erase_with_code(store, upload_id, code, settings.retrain_within)
        else:
            done = eraser.erase(store, upload_id, settings.retrain_within)
        upload_id = done.tombstone.upload_id
        if settings.embedded and embedded_s3.vacuum(state_folder(settings)):
            console.print("The embedded store gave the bytes back to the disk.")
        console.print(
            f"Erased {upload_id}: {done.deleted} objects deleted, {done.rewritten} versions of the "
            "data set written without it."
        )
        runs = _forget_runs(settings, upload_id)
        console.print(f"Dagster forgot {runs} runs of it.")
        if done.pending:
            console.print(
                "The model in production learned from it. Nobody is shown it any more; Dagster "
                f"trains again (`{command('up')}` must run), and the release is withdrawn if that "
                f"has not happened by {done.pending:%Y-%m-%d %H:%M} UTC."
            )
        console.print(f"Proof: twin-matcher erase --verify {upload_id}")
        # Last: it may fail, and the rest is done then. Dagster tries again.
        for line in _forget_on_the_hub(settings, upload_id):
            console.print(line)


def _forget_runs(settings: Settings, upload_id: str) -> int:
    from twin_matcher_dagster.cli.instance import open_instance
    from twin_matcher_dagster.defs.erasure.run_history import forget_runs

    with open_instance(settings) as instance:
        return forget_runs(instance, upload_id)


def _forget_on_the_hub(settings: Settings, upload_id: str) -> list[str]:
    if not settings.publishes:
        return []
    from twin_matcher_dagster.publication.withdrawal import forget_upload

    return forget_upload(upload_id, settings.hub_dataset, settings.hub_model)


def prove_erasure(settings: Settings, upload_id: str, console: Console) -> bool:
    """Read everything, and print what is left of an upload.

    Returns:
        Whether nothing is left that must not be.
    """
    from twin_matcher_dagster.erasure.verification import verify
    from twin_matcher_dagster.publication.withdrawal import mentions

    with opened_bucket(settings) as store:
        with console.status("reading every object ..."):
            found = verify(store, upload_id)
        found.left += mentions(upload_id, settings.hub_dataset, settings.hub_model)
    console.print(f"{found.objects} objects read.")
    if found.retrain_by is None:
        console.print("[red]This upload was never erased.[/] Check the id.")
    for key in found.left:
        console.print(f"[red]left:[/] {key}", soft_wrap=True)
    for key in found.pending:
        until = f"{found.retrain_by:%Y-%m-%d %H:%M} UTC" if found.retrain_by else "it is erased"
        console.print(f"until the next training, or {until}: {key}", soft_wrap=True)
    if found.proven:
        console.print("Nothing else of it is left." if found.pending else "Nothing of it is left.")
    return found.proven
