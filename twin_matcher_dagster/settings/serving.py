"""Settings of the services: ports, addresses, certificates."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, field_validator, model_validator

from twin_matcher_dagster.settings.values import none_if_empty

_URL = "^https?://"


def reached_host(host: str) -> str:
    """Where a service that listens on a host is reached from this machine."""
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104


class ServingSettings(BaseModel):
    """Ports, addresses and certificates of the services."""

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

    _is_set = field_validator(
        "tls_cert", "tls_key", "upload_url", "predict_url", "examples", mode="before"
    )(none_if_empty)

    @model_validator(mode="after")
    def _have_a_port_each(self) -> ServingSettings:
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
    def _have_certificate_and_key(self) -> ServingSettings:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("TLS_CERT and TLS_KEY belong together; set both, or neither")
        return self
