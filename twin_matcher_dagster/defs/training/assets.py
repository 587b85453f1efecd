"""twin_dataset and twin_model: who is to be told apart, and the network that does it."""

import shutil
import tempfile
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import numpy as np
from pydantic import Field

from twin_matcher_dagster.dataset.versions import Version, read_version, update_dataset
from twin_matcher_dagster.defs import keys, plots
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.columns import FACE_COLUMNS
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import materialized, percent, refuse, retried
from twin_matcher_dagster.defs.training.metadata import newcomers_metadata
from twin_matcher_dagster.errors import ErasureError, TrainingError
from twin_matcher_dagster.local.environment import state_folder
from twin_matcher_dagster.recognition.guessing import beyond_guessing
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.files import put_model
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import dataset_versions, models
from twin_matcher_dagster.storage.records.training import Model, Newcomers
from twin_matcher_dagster.storage.tombstones import refuse_erased_people
from twin_matcher_dagster.training.backbone import identity_of
from twin_matcher_dagster.training.environment import training_environment
from twin_matcher_dagster.training.examples import examples_of
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch, fault_of, kept_epoch
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan
from twin_matcher_dagster.training.policy import RetrainingPolicy, record_due, training_due
from twin_matcher_dagster.training.start import (
    ancestor_of,
    checkpoints_of,
    epochs_of,
    refining,
    started_from,
)

_WHAT_TO_DO = (
    "Train longer with EPOCHS, or with a lower learning_rate in the launchpad of twin_model; look "
    "at the faces of balanced_faces, and add photos to RAW_FACES."
)


class TrainingConfig(dg.Config):
    """How to train; what is left out comes from the environment, then from TrainingPlan."""

    backbone: str | None = Field(
        None, description="As BACKBONE: bundled, small, a folder, or a Hub id."
    )
    epochs: int | None = Field(None, ge=1, description="As EPOCHS: passes over the training split.")
    batch_size: int = Field(32, ge=1, description="Faces a step, on each GPU.")
    learning_rate: float = Field(3e-3, gt=0, description="Peak of the cosine schedule.")
    patience: int | None = Field(
        None, ge=1, description="End after so many epochs without a better validation accuracy."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes weights, order and augmentation.")
    from_scratch: bool = Field(
        False, description="Start from the backbone, even where a model could be trained on."
    )

    def plan(self, settings: Settings) -> TrainingPlan:
        """This configuration, completed."""
        return TrainingPlan(
            backbone=self.backbone or settings.backbone,
            epochs=self.epochs or epochs_of(settings),
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=self.patience,
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
    metadata=FACE_COLUMNS,
    code_version="4",
    pool="dataset",
    automation_condition=when_inputs_change(),
    description="Celebrities and all accepted uploads as one data set: a manifest that names "
    "immutable shards. A new person adds a shard; nothing is copied.",
)
@retried()
def twin_dataset(config: DatasetConfig, object_store: ObjectStoreResource) -> dg.MaterializeResult:
    """Take in who was accepted since the last version, leave out who is not any more."""
    store = object_store.open()
    before = dataset_versions(store).head()
    manifest = update_dataset(store, everything=config.everything)
    version = manifest.record
    came, left = Version(store, manifest).changes_since(Version(store, before) if before else None)
    return materialized(
        store,
        manifest,
        version.rows,
        {
            "identities": version.identities,
            "users": version.users,
            "other clips of users, held out": sum(
                one.other_clips for one in version.members.values()
            ),
            "uploads that came in": ", ".join(sorted(came)) or "none",
            "uploads that left": ", ".join(sorted(left)) or "none",
            "celebrities": version.balanced.number,
            "splits": dg.MetadataValue.json(dict(version.splits)),
        },
    )


class PolicyConfig(dg.Config):
    """Whether to train whatever the policy says."""

    force: bool = Field(False, description="Train again now.")


@dg.asset(
    deps=[keys.TWIN_DATASET],
    group_name="training",
    kinds={"s3"},
    code_version="2",
    automation_condition=when_inputs_change() | dg.AutomationCondition.on_cron("0 4 * * *"),
    description="Whether the model is to be trained again, and why: the policy is in the settings "
    "RETRAIN_*. A new person does not wait for it: the index takes them in at once.",
)
@retried()
def retraining(
    context: dg.AssetExecutionContext,
    config: PolicyConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Look at what is new since the last training."""
    store = object_store.open()
    ours = settings.read()
    found = training_due(
        store,
        RetrainingPolicy(
            ours.retrain_new_faces, ours.retrain_new_share, ours.retrain_days, ours.retrain_found
        ),
    )
    if config.force:
        mark = fingerprint(found.fingerprint, context.run.run_id)
        found = replace(found, reasons=["an operator wants it"], fingerprint=mark)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(record_due(store, found)),
        metadata={"due": "; ".join(found.reasons) or "no", **found.figures},
    )


@dg.asset(
    deps=[keys.TWIN_DATASET, keys.RETRAINING],
    group_name="training",
    kinds={"pytorch", "transformers", "onnx", "s3"},
    code_version="4",
    pool="training",
    automation_condition=when_inputs_change(only={keys.RETRAINING}),
    description="A ResNet (transformers) fine-tuned to tell the identities apart, as a standard "
    "model folder with safetensors, and as ONNX. It goes on from the last model where that may be. "
    "A model that did not learn (the loss is no number, or rose; no better than guessing) is not "
    'kept. It reads "unsynced" while somebody is new, as it should: the index takes them in at '
    "once, and `retraining` says when to train again. To train now: `retraining` with `force`.",
)
@retried()
def twin_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Train, and store the model folder."""
    store = object_store.open()
    ours = settings.read()
    dataset = read_version(store)
    labels = {person.identity_id: person.label for person in dataset.identities}
    train, validation = examples_of(store, dataset, ours.recogniser)
    plan = config.plan(ours)
    backbone = identity_of(plan.backbone)
    ancestor = None if config.from_scratch else ancestor_of(store, plan, backbone, dataset)
    epochs = plan.epochs if ancestor is None else refining(plan).epochs
    start = f"model {ancestor.number}" if ancestor else plan.backbone
    context.log.info(f"{len(train)} faces of {len(labels)} identities, from {start}")

    def on_epoch(epoch: Epoch) -> None:
        context.log.info(
            f"progress {round(100 * epoch.epoch / epochs)}%: epoch {epoch.epoch} of "
            f"{epochs}, training loss {epoch.train_loss:.3f}, validation accuracy "
            f"{epoch.validation_accuracy:.1%}"
        )

    choices: list[Newcomers] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        try:
            started = started_from(store, plan, ancestor, Path(temporary) / "ancestor")
            home = state_folder(ours)
            kept = checkpoints_of(home / "training", dataset, started, f"{start}, {backbone}")
            logs = home / "tensorboard" / context.run.run_id[:8]
            curve = fine_tune(
                *(train, validation, labels, started, folder, on_epoch, kept, logs),
                on_choice=choices.append,
            )
        except TrainingError as error:
            raise refuse(error) from error
        saved = kept_epoch(curve, plan.patience)
        picture = dg.MetadataValue.md(plots.learning_curve(curve))
        needed = _needed(validation)
        if fault := fault_of(curve, saved, needed, fresh=ancestor is None):
            shutil.rmtree(kept)
            told = f"{len(train)} faces to train on, {len(validation)} to validate: {fault}"
            error = TrainingError(f"It did not learn, and is not kept. Of {told}. {_WHAT_TO_DO}")
            raise refuse(error, {"learning curve": picture})
        try:
            refuse_erased_people(store, dataset.upload_ids)
        except ErasureError as error:
            raise refuse(error) from error
        _export(folder, context.log)
        files = put_model(store, folder)
    model = Model(
        fingerprint=fingerprint(dataset.fingerprint, *(file.sha256 for file in files)),
        files=files,
        dataset=dataset.number,
        celebrities=dataset.record.balanced.fingerprint,
        trained_at=datetime.now(timezone.utc),
        uploads=dataset.upload_ids,
        plan=asdict(plan),
        backbone=backbone,
        ancestor=ancestor.number if ancestor else None,
        curve=tuple(asdict(epoch) for epoch in curve),
        newcomers=choices[0] if choices else None,
        environment=training_environment(),
    )
    manifest = models(store).commit(model)
    shutil.rmtree(kept)  # only now: what is cut off before goes on from its last epoch
    return materialized(
        store,
        manifest,
        len(train),
        {
            "started from": start,
            "epochs": len(curve),
            "epoch kept": saved.epoch,
            "data set": dataset.number,
            "validation accuracy (%)": percent(saved.validation_accuracy),
            "validation faces": len(validation),
            "needed, beyond guessing (%)": percent(needed) or "too few faces to tell",
            "learning curve": picture,
            **newcomers_metadata(model.newcomers, labels),
        },
    )


def _export(folder: Path, log: dg.DagsterLogManager) -> None:
    """Add the network as ONNX to a model folder, where it can be written so."""
    from twin_matcher_dagster.recognition.onnx_export import export_embedder

    try:
        export_embedder(folder)
    except TrainingError as error:
        log.warning(str(error))


def _needed(validation: LabelledFaces) -> float | None:
    """The least validation accuracy that guessing does not reach; None with too few faces."""
    if not len(validation):
        return None
    chance = np.bincount(validation.classes).max() / len(validation)
    return beyond_guessing(float(chance), len(validation))
