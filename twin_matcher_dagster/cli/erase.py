"""`twin-matcher erase`: for the operator, and for whoever has a code and no browser."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from twin_matcher_dagster.erasure import eraser as erasure
from twin_matcher_dagster.errors import ErasureError, RunsAlreadyError
from twin_matcher_dagster.local import embedded_s3 as s3_server
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import environment, state_folder
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore


@contextmanager
def open_store(settings: Settings) -> Generator[ObjectStore]:
    """The bucket, in the environment of the services; the embedded server is started if need be."""
    variables = environment(settings)
    os.environ.update(variables)
    if not settings.embedded:
        yield ObjectStore.from_environment(variables["TWIN_MATCHER_BUCKET"])
        return
    with ExitStack() as stack:
        try:
            home = stack.enter_context(services.exclusive(settings))
        except RunsAlreadyError:
            pass  # then its S3 server is the one to ask
        else:
            services.check_ports(settings, [services.S3])
            stack.enter_context(services.running([services.S3], variables, home / "erase.log"))
        yield s3_server.wait_until_ready(variables)


def erase(
    settings: Settings, upload_id: str, code: str | None, console: Console, *, force: bool
) -> None:
    """Erase an upload everywhere, and say what was done.

    Raises:
        ErasureError: neither code nor force, a wrong code, or no such upload.
    """
    if not force and code is None:
        raise ErasureError("Give the erasure code with --code, or --force as the operator.")
    with open_store(settings) as store:
        if code is not None:
            done = erasure.erase_with_code(store, upload_id, code, settings.retrain_within)
        else:
            done = erasure.erase(store, upload_id, settings.retrain_within)
        upload_id = done.tombstone.upload_id
        if settings.embedded and s3_server.vacuum(state_folder(settings)):
            console.print("The embedded store gave the bytes back to the disk.")
        console.print(
            f"Erased {upload_id}: {done.deleted} objects deleted, {done.rewritten} versions of the "
            "data set written without it."
        )
        runs = _forget_runs(upload_id)
        console.print(f"Dagster forgot {runs} runs of it.")
        if done.pending:
            console.print(
                "The model in production learned from it. Nobody is shown it any more; Dagster "
                "trains again (`make up` must run), and the release is withdrawn if that has not "
                f"happened by {done.pending:%Y-%m-%d %H:%M} UTC."
            )
        console.print(f"Proof: twin-matcher erase --verify {upload_id}")
        # Last: it may fail, and the rest is done then. Dagster tries again.
        for line in _forget_on_the_hub(settings, upload_id):
            console.print(line)


def _forget_runs(upload_id: str) -> int:
    import dagster as dg

    from twin_matcher_dagster.defs.erasure.run_history import forget

    with dg.DagsterInstance.get() as instance:
        return forget(instance, upload_id)


def _forget_on_the_hub(settings: Settings, upload_id: str) -> list[str]:
    if not (settings.hub_dataset or settings.hub_model):
        return []
    from twin_matcher_dagster.publication.withdrawal import forget_upload

    return forget_upload(upload_id, settings.hub_dataset, settings.hub_model)


def prove(settings: Settings, upload_id: str, console: Console) -> bool:
    """Read everything, and print what is left of an upload.

    Returns:
        Whether nothing is left that must not be.
    """
    from twin_matcher_dagster.erasure.verification import verify
    from twin_matcher_dagster.publication.withdrawal import mentions

    with open_store(settings) as store:
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
