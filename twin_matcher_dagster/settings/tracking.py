"""Settings of what is told of assets and trainings."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field, field_validator

from twin_matcher_dagster.settings.values import listed_words, none_if_empty

# As Dagster has it.
_OWNER = re.compile(r"team:[\w-]+|[^@\s]+@[^@\s]+\.[^@\s]+", re.ASCII)


class TrackingSettings(BaseModel):
    """Whom Dagster names, and where trainings are tracked besides the bucket."""

    asset_owners: str = Field(
        "team:operators",
        description="Who looks after the assets, as Dagster shows them: addresses and team:NAME, "
        "with commas between them.",
    )

    mlflow_tracking_uri: str | None = Field(
        None,
        description="MLflow's tracking server: every training is a run there. Needs the extra "
        "mlflow; credentials and MLFLOW_EXPERIMENT_NAME are MLflow's own variables.",
    )

    @field_validator("asset_owners")
    @classmethod
    def _are_owners(cls, value: str) -> str:
        for owner in listed_words(value):
            if not _OWNER.fullmatch(owner):
                raise ValueError(f"{owner!r} is neither an e-mail address nor like team:operators")
        return value

    @property
    def owners_of_assets(self) -> list[str]:
        """Each by itself."""
        return list(listed_words(self.asset_owners))

    _is_tracked = field_validator("mlflow_tracking_uri", mode="before")(none_if_empty)
