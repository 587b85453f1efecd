"""Settings of what is learnt, from what, and where that is published."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import BaseModel, Field, field_validator

SAMPLE_SOURCE = "sample"
SMALL_BACKBONE = "small"
BUNDLED_BACKBONE = "bundled"
BUNDLED_RECOGNISER = "bundled"

# The Hub's own rule: no "-" or "." at an end, neither doubled.
_HUB_ID = re.compile(r"(?!.*(?:--|\.\.))\b[\w.-]{1,96}\b/\b[\w.-]{1,96}(?<!\.git)\b", re.ASCII)


class LearningSettings(BaseModel):
    """What is learnt, from what, and where that is published."""

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

    @field_validator("hub_dataset", "hub_model")
    @classmethod
    def _is_hub_id(cls, value: str | None) -> str | None:
        if value and not _HUB_ID.fullmatch(value):
            raise ValueError(
                f"{value!r} is not the id of a repository on the Hub, such as my-name/twin-faces"
            )
        return value or None

    @property
    def retrain_within(self) -> timedelta:
        """How long a released model may outlive an erasure."""
        return timedelta(hours=self.retrain_within_hours)

    @property
    def publishes(self) -> bool:
        """Whether the data set or the model goes to the Hub."""
        return bool(self.hub_dataset or self.hub_model)
