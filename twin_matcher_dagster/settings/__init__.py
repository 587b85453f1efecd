"""Settings from the environment, in one place.

Credentials are not here: boto3 and huggingface_hub read theirs from their own usual variables
(``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL_S3``, ``HF_TOKEN``, ...).
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from twin_matcher_dagster.settings.doors import DoorSettings
from twin_matcher_dagster.settings.keeping import EMBEDDED_BUCKET, KeepingSettings
from twin_matcher_dagster.settings.learning import (
    BUNDLED_BACKBONE,
    BUNDLED_RECOGNISER,
    SAMPLE_SOURCE,
    SMALL_BACKBONE,
    LearningSettings,
)
from twin_matcher_dagster.settings.places import (
    CHOSEN,
    CHOSEN_FILE,
    PROJECT_ROOT,
    SAMPLE,
    chosen_settings,
    command,
    default_home,
    in_checkout,
)
from twin_matcher_dagster.settings.serving import ServingSettings, reached_host
from twin_matcher_dagster.settings.signing_in import SigningInSettings
from twin_matcher_dagster.settings.telling import TellingSettings
from twin_matcher_dagster.settings.tracking import TrackingSettings
from twin_matcher_dagster.settings.values import listed_words

__all__ = [
    "BUNDLED_BACKBONE",
    "BUNDLED_RECOGNISER",
    "CHOSEN",
    "CHOSEN_FILE",
    "EMBEDDED_BUCKET",
    "PROJECT_ROOT",
    "SAMPLE",
    "SAMPLE_SOURCE",
    "SMALL_BACKBONE",
    "Settings",
    "chosen_settings",
    "command",
    "default_home",
    "in_checkout",
    "listed_words",
    "problems_of",
    "reached_host",
]


class Settings(
    KeepingSettings,
    ServingSettings,
    DoorSettings,
    SigningInSettings,
    TrackingSettings,
    LearningSettings,
    TellingSettings,
    BaseSettings,
):
    """What a person may set; every field is an environment variable of the same name in capitals.

    Read when it is needed, never at import, so that a test or a second terminal can differ.
    """

    # A problem is told without the value: one of them has a password in it.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    @property
    def dagster_address(self) -> str:
        """Address of the Dagster UI, for people and links, without a slash at the end."""
        scheme = "https" if self.tls_cert else "http"
        here = f"{scheme}://{reached_host(self.host)}:{self.dagster_port}"
        return self.dagster_url or here

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A variable counts before what was chosen for this installation."""
        home = init_settings().get("twin_matcher_home") or os.environ.get("TWIN_MATCHER_HOME")
        chosen = InitSettingsSource(settings_cls, chosen_settings(Path(home or default_home())))
        return init_settings, env_settings, chosen


def problems_of(error: ValidationError) -> list[str]:
    """What is wrong with the settings: a sentence a variable."""
    found = []
    for problem in error.errors():
        name = "_".join(map(str, problem["loc"])).upper()  # none where it is about several
        found.append(f"{name}: {problem['msg']}." if name else f"{problem['msg']}.")
    return found
