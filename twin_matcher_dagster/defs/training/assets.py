"""twin_dataset and twin_model: who is to be told apart, and the network that does it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
from pydantic import Field

from twin_matcher_dagster import reporting
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.faces_io import faces_of, pixels_of
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import RETRY, commit, head_of, materialized, refuse
from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.identities.merging import ShardEntry, merge
from twin_matcher_dagster.identities.schema import SPLITS, Face, Split, fingerprint
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
from twin_matcher_dagster.storage.object_store import ObjectStore


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


@dg.asset(
    deps=[keys.BALANCED_FACES, keys.USER_FACES],
    group_name="training",
    kinds={"huggingface", "parquet", "s3"},
    owners=[keys.OWNER],
    code_version="2",
    retry_policy=RETRY,
    automation_condition=when_inputs_change(),
    description="Celebrities and all accepted uploads as one data set: a manifest that names "
    "immutable shards. A new person adds a shard; nothing is copied.",
)
def twin_dataset(
    context: dg.AssetExecutionContext, object_store: ObjectStoreResource
) -> dg.MaterializeResult:
    """Name the shards of everybody who is in."""
    store = object_store.open()
    celebrities = head_of(store, layout.BALANCED, keys.BALANCED_FACES)
    users, left_out = _accepted(
        store, context.instance.get_dynamic_partitions(keys.UPLOADS_PARTITION)
    )
    shards = [ShardEntry.from_dict(shard) for shard in celebrities.body["shards"]]
    body = merge(shards, users, celebrities.body.get("people"))
    names = {person["identity_id"]: person["label"] for person in body["identities"]}
    counts = {
        f"{names[person['identity_id']]} ({person['identity_id'][:8]})": sum(
            person["faces"].values()
        )
        for person in body["identities"]
    }
    splits: dict[str, int] = {
        split: sum(person["faces"].get(split, 0) for person in body["identities"])
        for split in SPLITS
    }
    return materialized(
        commit(store, layout.DATASETS, body),
        body["rows"],
        {
            "identities": len(names),
            "users": len(users),
            "uploads left out": left_out,
            "shards": len(body["shards"]),
            "splits": dg.MetadataValue.json(splits),
            "faces an identity": dg.MetadataValue.md(reporting.class_histogram(counts)),
        },
    )


def _accepted(store: ObjectStore, upload_ids: Sequence[str]) -> tuple[list[ShardEntry], int]:
    """The shards of accepted uploads, and how many uploads are not (yet) accepted."""
    heads = [ManifestLog(store, layout.log(layout.user(upload))).head() for upload in upload_ids]
    bodies = [head.body for head in heads if head is not None and head.body["accepted"]]
    shards = [ShardEntry.from_dict(shard) for body in bodies for shard in body["shards"]]
    return shards, len(upload_ids) - len(bodies)


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
    dataset = head_of(store, layout.DATASETS, keys.TWIN_DATASET)
    labels = {person["identity_id"]: person["label"] for person in dataset.body["identities"]}
    faces = list(faces_of(store, dataset.body))
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
        files = put_model(store, folder)
    body = {
        "fingerprint": fingerprint(*(file["sha256"] for file in files)),
        "files": files,
        "dataset": dataset.number,
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
