"""Settings from the environment, in one place.

Credentials are not here: boto3 and huggingface_hub read theirs from their own usual variables
(``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL_S3``, ``HF_TOKEN``, ...).
"""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from twin_matcher_dagster.errors import ServicesError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The checkout; of an installed package the folder that it is installed in."""

SAMPLE = Path(__file__).resolve().parent / "sample"

SAMPLE_SOURCE = "sample"
SMALL_BACKBONE = "small"
BUNDLED_BACKBONE = "bundled"
BUNDLED_RECOGNISER = "bundled"
EMBEDDED_BUCKET = "twin-matcher"

CHOSEN_FILE = "settings.json"
"""In the folder of an installation's state: settings that a command made."""
CHOSEN = ("raw_faces", "min_faces")
"""The settings that may be in it."""

# The Hub's own rule: no "-" or "." at an end, neither doubled.
_HUB_ID = re.compile(r"(?!.*(?:--|\.\.))\b[\w.-]{1,96}\b/\b[\w.-]{1,96}(?<!\.git)\b", re.ASCII)
# What S3 takes for a bucket, or the ARN of an access point.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:aws[\w-]*:s3[\w:/-]+", re.ASCII)
_URL = "^https?://"
_POSTGRES = re.compile(r"postgres(ql)?(\+psycopg2)?")


def in_checkout() -> bool:
    """Whether this runs from a checkout rather than from an installed package."""
    # Both: another package may have put a pyproject.toml beside this one.
    return all((PROJECT_ROOT / name).is_file() for name in ("pyproject.toml", "workspace.yaml"))


def command(name: str) -> str:
    """How a person runs a command: ``make up`` in a checkout, ``twin-matcher up`` elsewhere."""
    return f"make {name}" if in_checkout() else f"twin-matcher {name}"


def default_home() -> Path:
    """Where the state of the local services is: in the checkout, or where the system keeps data."""
    return PROJECT_ROOT / ".twin-matcher" if in_checkout() else user_data_path("twin-matcher")


def chosen_settings(home: Path) -> dict[str, Any]:
    """What `twin-matcher celebrities use` chose for an installation; no secret is among it.

    Args:
        home: folder of the installation's state.

    Raises:
        ServicesError: the file is damaged.
    """
    path = home.expanduser() / CHOSEN_FILE
    try:
        chosen = json.loads(path.read_bytes()) if path.is_file() else {}
        return {name: str(chosen[name]) for name in set(CHOSEN) & dict(chosen).keys()}
    except (OSError, ValueError, TypeError) as error:
        raise ServicesError(
            f"What was chosen for this installation cannot be read: {path} is damaged. Delete it, "
            "and run `twin-matcher celebrities use SOURCE` again."
        ) from error


class Settings(BaseSettings):
    """What a person may set; every field is an environment variable of the same name in capitals.

    Read when it is needed, never at import, so that a test or a second terminal can differ.
    """

    # A problem is told without the value: one of them has a password in it.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    raw_faces: str = Field(
        SAMPLE_SOURCE,
        description="Celebrity faces: 'sample', a folder with one sub-folder of photos a person, "
        "an archive of one, Parquet files, a list such as metadata.csv, or a Hub data set.",
    )
    min_faces: int = Field(
        8, ge=1, description="Celebrities with fewer faces to train on are left out."
    )
    backbone: str = Field(
        BUNDLED_BACKBONE,
        description="'bundled' (the small ResNet that ships), 'small' (the same with random "
        "weights), a local model folder, or a Hub model id.",
    )
    recogniser: str = Field(
        BUNDLED_RECOGNISER,
        description="Tells whether two faces are one person: 'bundled' (SFace), an ONNX file, or "
        "a Hub repository id such as opencv/face_recognition_sface.",
    )
    epochs: int | None = Field(None, ge=1, description="Passes over the training split.")
    hub_dataset: str | None = Field(
        None, description="Repository on the Hub, owner/name, that the data set is published to."
    )
    hub_model: str | None = Field(
        None, description="Repository on the Hub, owner/name, that the model is published to."
    )
    hub_private: bool = Field(
        True, description="Whether these repositories are private; a public one is then refused."
    )
    hub_license: str = Field(
        "other",
        pattern=r"^[a-z0-9][a-z0-9.-]*$",
        description="Licence of what is published, as the Hub names it: cc-by-4.0, other, ...",
    )
    retrain_new_faces: int = Field(
        1000, ge=1, description="Train again from so many faces that the model did not learn."
    )
    retrain_new_share: float = Field(
        0.1, gt=0, le=1, description="Train again from such a share of identities that are new."
    )
    retrain_days: float = Field(
        30, gt=0, le=36_500, description="Train again after so many days, if anybody is new."
    )
    retrain_found: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Train again when such a share of new faces, or less, fit the model.",
    )
    retrain_within_hours: float = Field(
        24,
        gt=0,
        le=876_000,
        description="After an erasure: when no released model may know the upload.",
    )
    keep_versions: int = Field(
        10, ge=1, description="How many versions of data sets, models and releases are kept."
    )
    keep_rejected_days: float = Field(
        30, ge=0, le=36_500, description="How long a rejected upload is kept before it is erased."
    )
    s3_port: int = Field(8333, ge=1, le=65535, description="Port of the embedded S3 server.")
    dagster_port: int = Field(3000, ge=1, le=65535, description="Port of the Dagster UI.")
    upload_port: int = Field(7860, ge=1, le=65535, description="Port of the upload page.")
    predict_port: int = Field(7861, ge=1, le=65535, description="Port of the prediction page.")
    host: str = Field("127.0.0.1", description="Address that the pages and the UI listen on.")
    tls_cert: Path | None = Field(None, description="Certificate of the pages (PEM): for https.")
    tls_key: Path | None = Field(None, description="Its private key (PEM).")
    mcp: bool = Field(False, description="Whether models find twins as a tool (needs extra mcp).")
    upload_url: str | None = Field(None, pattern=_URL, description="Address of the upload page.")
    predict_url: str | None = Field(None, pattern=_URL, description="Of the prediction page.")
    examples: Path | None = Field(
        None, description="Folder of photos that the prediction page offers to try, five at most."
    )
    twin_matcher_home: Path = Field(
        default_factory=default_home,
        description="State of the local services. Default: `.twin-matcher` in the checkout; of an "
        "installed package the user's data folder, such as ~/.local/share/twin-matcher.",
    )
    twin_matcher_bucket: str | None = Field(
        None,
        description="Bucket to use. Unset: the embedded S3 server. Set: the S3 that the usual "
        "AWS variables point at.",
    )
    backup_to: str | None = Field(
        None,
        description="Where backups go, a folder or s3://bucket/prefix; every erasure is noted "
        "there at once.",
    )
    keep_backups: int = Field(7, ge=1, description="How many backups are kept in that place.")
    dagster_pg_url: SecretStr | None = Field(
        None,
        description="PostgreSQL database for Dagster's own history, "
        "postgresql://user:password@host:port/database. Unset: SQLite in the state folder.",
    )
    twin_matcher_embedded_s3: bool = Field(
        False, description="Set by `twin-matcher` for its children when the bucket is embedded."
    )

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

    @field_validator("hub_dataset", "hub_model")
    @classmethod
    def _is_hub_id(cls, value: str | None) -> str | None:
        if value and not _HUB_ID.fullmatch(value):
            raise ValueError(
                f"{value!r} is not the id of a repository on the Hub, such as my-name/twin-faces"
            )
        return value or None

    @field_validator("twin_matcher_bucket")
    @classmethod
    def _is_a_bucket(cls, value: str | None) -> str | None:
        if value and not _BUCKET.fullmatch(value):
            raise ValueError(
                f"{value!r} is not the name of a bucket: 3 to 63 small letters, digits, dots and "
                "hyphens, without s3:// and without a folder"
            )
        return value or None

    @field_validator("tls_cert", "tls_key", "upload_url", "predict_url", "examples", mode="before")
    @classmethod
    def _is_set(cls, value: object) -> object:
        return value or None  # set, but empty

    @field_validator("twin_matcher_home", mode="before")
    @classmethod
    def _is_a_folder(cls, value: object) -> object:
        return value or default_home()  # set, but empty: not wherever the command is run

    @field_validator("dagster_pg_url")
    @classmethod
    def _is_a_database(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else ""
        if not text:
            return None
        try:
            parts = urlsplit(text)
            # Nothing of `parts` is told: somebody may have written the password in its place.
            good = _POSTGRES.fullmatch(parts.scheme) and parts.path.strip("/")
            _ = parts.port
        except ValueError:
            good = False
        if not good:
            raise ValueError("it is not like postgresql://user:password@host:5432/database")
        return SecretStr(text)

    @model_validator(mode="after")
    def _have_a_port_each(self) -> Settings:
        taken: dict[int, str] = {}
        for name in ("s3_port", "dagster_port", "upload_port", "predict_port"):
            other = taken.setdefault(getattr(self, name), name)
            if other != name:
                raise ValueError(
                    f"{other.upper()} and {name.upper()} are both {getattr(self, name)}; each "
                    "service needs a port of its own"
                )
        return self

    @model_validator(mode="after")
    def _have_certificate_and_key(self) -> Settings:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("TLS_CERT and TLS_KEY belong together; set both, or neither")
        return self

    @property
    def retrain_within(self) -> timedelta:
        """How long a released model may outlive an erasure."""
        return timedelta(hours=self.retrain_within_hours)

    @property
    def publishes(self) -> bool:
        """Whether the data set or the model goes to the Hub."""
        return bool(self.hub_dataset or self.hub_model)

    @property
    def embedded(self) -> bool:
        """Whether the embedded S3 server is in use rather than a bucket of the user's own."""
        ours = self.twin_matcher_embedded_s3 and self.twin_matcher_bucket == EMBEDDED_BUCKET
        return ours or not self.twin_matcher_bucket


def problems_of(error: ValidationError) -> list[str]:
    """What is wrong with the settings: a sentence a variable."""
    found = []
    for problem in error.errors():
        name = "_".join(map(str, problem["loc"])).upper()  # none where it is about several
        found.append(f"{name}: {problem['msg']}." if name else f"{problem['msg']}.")
    return found
