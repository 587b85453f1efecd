"""Settings of where things are kept, and for how long."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from twin_matcher_dagster.settings.places import default_home

EMBEDDED_BUCKET = "twin-matcher"

# What S3 takes for a bucket, or the ARN of an access point.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:aws[\w-]*:s3[\w:/-]+", re.ASCII)
_POSTGRES = re.compile(r"postgres(ql)?(\+psycopg2)?")


class KeepingSettings(BaseModel):
    """Where things are kept, and for how long."""

    keep_versions: int = Field(
        10, ge=1, description="How many versions of data sets, models and releases are kept."
    )
    keep_rejected_days: float = Field(
        30, ge=0, le=36_500, description="How long a rejected upload is kept before it is erased."
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

    @field_validator("twin_matcher_bucket")
    @classmethod
    def _is_a_bucket(cls, value: str | None) -> str | None:
        if value and not _BUCKET.fullmatch(value):
            raise ValueError(
                f"{value!r} is not the name of a bucket: 3 to 63 small letters, digits, dots and "
                "hyphens, without s3:// and without a folder"
            )
        return value or None

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

    @property
    def embedded(self) -> bool:
        """Whether the embedded S3 server is in use rather than a bucket of the user's own."""
        ours = self.twin_matcher_embedded_s3 and self.twin_matcher_bucket == EMBEDDED_BUCKET
        return ours or not self.twin_matcher_bucket
