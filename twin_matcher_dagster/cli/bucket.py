"""The bucket, for a command that is run by hand."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from twin_matcher_dagster.errors import RunsAlreadyError
from twin_matcher_dagster.local import embedded_s3, services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore


@contextmanager
def opened_bucket(settings: Settings) -> Generator[ObjectStore]:
    """The bucket, in the environment of the services; the embedded server is started if need be."""
    variables = environment(settings)
    os.environ.update(variables)
    if not settings.embedded:
        yield ObjectStore.from_environment(variables["TWIN_MATCHER_BUCKET"])
        return
    with ExitStack() as stack:
        try:
            home = stack.enter_context(services.exclusive_home(settings))
        except RunsAlreadyError:
            pass  # then its S3 server is the one to ask
        else:
            services.check_ports(settings, [services.S3])
            stack.enter_context(services.running([services.S3], variables, home / "command.log"))
        yield embedded_s3.wait_until_ready(variables)
