"""twin_dataset and twin_model: who is to be told apart, and the network that does it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
from pydantic import Field

from twin_matcher_dagster import reporting
from twin_matcher_dagster.dataset import Version, read_version, update_dataset
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.faces_io import pixels_of
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import RETRY, commit, materialized, refuse
from twin_matcher_dagster.erasure import refuse_erased_people
from twin_matcher_dagster.errors import ErasureError, TrainingError
from twin_matcher_dagster.identities.schema import Face, Split, fingerprint
from twin_matcher_dagster.recognition.training import (
    Epoch,
    LabelledFaces,
    TrainingPlan,
    fine_tune,
)
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import ManifestLog
from twin_matcher_dagster.storage.models import put_model


class TrainingConfig(dg.Config):
    """How to train; what is left out comes from the environment, then from TrainingPlan."""

    backbone: str | None = Field(None, description="As BACKBONE: small, a folder, or a Hub id.")
    epochs: int | None = Field(None, ge=1, description="As EPOCHS: passes over the training split.")
    batch_size: int = Field(32, ge=1, description="Faces a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak of the cosine schedule.")
    seed: int = Field(0, description="Fixes weights, order and augmentation.")

    def plan(self, settings: Settings) -> TrainingPlan:
        """This configuration, completed."""
        return TrainingPlan(
            backbone=self.backbone or settings.backbone,
            epochs=self.epochs or settings.epochs or TrainingPlan.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )


class DatasetConfig(dg.Config):
    """What to look at."""

    everything: bool = Field(
        False,
        description="Look at the verdict on every upload again, not only at new ones. The result "
        "is the same, unless verdicts were changed by hand.",
    )


@dg.asset(
    deps=[keys.BALANCED_FACES, keys.USER_FACES, keys.ERASURES],
    group_name="training",
    kinds={"huggingface", "parquet", "s3"},
    owners=[keys.OWNER],
    code_version="3",
    retry_policy=RETRY,
    automation_condition=when_inputs_change(),
    description="Celebrities and all accepted uploads as one data set: a manifest that names "
    "immutable shards. A new person adds a shard; nothing is copied.",
)
def twin_dataset(config: DatasetConfig, object_store: ObjectStoreResource) -> dg.MaterializeResult:
    """Take in who was accepted since the last version, leave out who is not any more."""
    store = object_store.open()
    log = ManifestLog(store, layout.log(layout.DATASETS))
    before = log.head()
    manifest = update_dataset(store, everything=config.everything)
    version = Version(store, manifest)
    came, left = version.changes_since(Version(store, before) if before else None)
    return materialized(
        manifest,
        manifest.body["rows"],
        {
            "identities": manifest.body["identities"],
            "users": manifest.body["users"],
            "uploads that came in": ", ".join(sorted(came)) or "none",
            "uploads that left": ", ".join(sorted(left)) or "none",
            "celebrities": manifest.body["balanced"]["number"],
            "splits": dg.MetadataValue.json(manifest.body["splits"]),
        },
    )


@dg.asset(
    deps=[keys.TWIN_DATASET],
    group_name="training",
    kinds={"pytorch", "transformers", "s3"},
    owners=[keys.OWNER],
    code_version="1",
    pool="training",
    automation_condition=when_inputs_change(),
    description="A ResNet (transformers) fine-tuned to tell the identities apart, as a standard "
    "model folder with safetensors.",
)
def twin_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Train, and store the model folder."""
    store = object_store.open()
    dataset = read_version(store)
    labels = {person.identity_id: person.label for person in dataset.identities}
    faces = list(dataset.faces())
    train, validation = (_labelled(faces, split, list(labels)) for split in ("train", "validation"))
    plan = config.plan(settings.read())
    context.log.info(f"{len(train)} faces of {len(labels)} identities, from {plan.backbone}")

    def on_epoch(epoch: Epoch) -> None:
        context.log.info(
            f"progress {round(100 * epoch.epoch / plan.epochs)}%: epoch {epoch.epoch} of "
            f"{plan.epochs}, training loss {epoch.train_loss:.3f}, validation accuracy "
            f"{epoch.validation_accuracy:.1%}"
        )

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        try:
            curve = fine_tune(train, validation, labels, plan, folder, on_epoch)
        except TrainingError as error:
            raise refuse(error) from error
        try:
            refuse_erased_people(store, (member.upload_id for member in dataset.members))
        except ErasureError as error:
            raise refuse(error) from error
        files = put_model(store, folder)
    body = {
        "fingerprint": fingerprint(dataset.fingerprint, *(file["sha256"] for file in files)),
        "files": files,
        "dataset": dataset.number,
        # Whose faces are in the weights: an erasure must know.
        "uploads": [member.upload_id for member in dataset.members],
        "plan": {name: getattr(plan, name) for name in TrainingPlan.__dataclass_fields__},
        "curve": [vars(epoch) for epoch in curve],
    }
    return materialized(
        commit(store, layout.MODELS, body),
        len(train),
        {
            "backbone": plan.backbone,
            "epochs": plan.epochs,
            "data set": dataset.number,
            "validation accuracy": curve[-1].validation_accuracy,
            "learning curve": dg.MetadataValue.md(reporting.learning_curve(curve)),
        },
    )


def _labelled(faces: Sequence[Face], split: Split, identities: Sequence[str]) -> LabelledFaces:
    """The decoded faces of one split, with class numbers."""
    number = {identity_id: index for index, identity_id in enumerate(identities)}
    rows = [face for face in faces if face.split == split]
    classes = np.array([number[face.identity_id] for face in rows], np.int64)
    return LabelledFaces(pixels_of(rows), classes)
