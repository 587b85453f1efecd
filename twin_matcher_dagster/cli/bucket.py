"""The bucket, for a command that is run by hand."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager

from twin_matcher_dagster.errors import RunsAlreadyError
from twin_matcher_dagster.local import embedded_s3, services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore


@contextmanager
def opened_bucket(settings: Settings, *, alone: bool = False) -> Generator[ObjectStore]:
    """The bucket, in the environment of the services; the embedded server is started if need be.

    Args:
        settings: of the installation.
        alone: whether nothing of this installation may run meanwhile.

    Raises:
        RunsAlreadyError: something of it runs, and must not.
    """
    variables = environment(settings)
    os.environ.update(variables)
    with ExitStack() as stack:
        if settings.embedded or alone:
            try:
                home = stack.enter_context(services.exclusive_home(settings))
            except RunsAlreadyError:
                if alone:
                    raise
                # Then its S3 server is the one to ask.
            else:
                if settings.embedded:
                    services.check_ports(settings, [services.S3])
                    log = home / "command.log"
                    stack.enter_context(services.running([services.S3], variables, log))
        yield ready_bucket(settings, variables)


def ready_bucket(settings: Settings, variables: Mapping[str, str]) -> ObjectStore:
    """The bucket; of the embedded server, which runs or is about to, once it answers.

    Args:
        settings: of the installation.
        variables: of :func:`~twin_matcher_dagster.local.environment.environment`.
    """
    if settings.embedded:
        return embedded_s3.wait_until_ready(variables)
    return ObjectStore.from_environment(variables["TWIN_MATCHER_BUCKET"])
