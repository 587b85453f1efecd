"""From the environment to adapters: the object store, and the settings of this installation."""

import os
from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore

_CLIENTS: dict[str, Any] = {}


class ObjectStoreResource(dg.ConfigurableResource):
    """The bucket that everything is kept in.

    The endpoint and the credentials come from the usual AWS variables, which boto3 reads itself:
    set ``AWS_ENDPOINT_URL_S3`` for another S3 server, leave it out for AWS.
    """

    s3: dg.ResourceDependency[S3Resource]
    bucket: str

    def open(self) -> ObjectStore:
        """For a run: a store that is away is waited for, and the run's log says so."""
        return self._connect().waited_for(dg.get_dagster_logger().warning)

    def open_for(self, seconds: float) -> ObjectStore:
        """For a sensor, which has so many seconds."""
        return self._connect().within(seconds)

    def _connect(self) -> ObjectStore:
        """Nothing is sent before the first request.

        A process has one client for one environment: to make one takes 0.2 s of a core, and the
        sensor asks every 5 seconds.
        """
        variables = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
        asked = f"{sorted(variables.items())} {self.s3.max_attempts}"
        if asked not in _CLIENTS:
            _CLIENTS.clear()
            _CLIENTS[asked] = self.s3.get_client()
        return ObjectStore(_CLIENTS[asked], self.bucket)


class SettingsResource(dg.ConfigurableResource):
    """The environment's settings, read when a run starts."""

    def read(self) -> Settings:
        """The settings now."""
        return Settings()


@dg.definitions
def resources() -> dg.Definitions:
    """Resources by the names that assets ask for, and how runs are executed."""
    return dg.Definitions(
        # A run is a process of its own already: a further one for every step would only load
        # torch once more each.
        executor=dg.in_process_executor,
        resources={
            "object_store": ObjectStoreResource(
                s3=S3Resource(max_attempts=3), bucket=dg.EnvVar("TWIN_MATCHER_BUCKET")
            ),
            "settings": SettingsResource(),
        },
    )
