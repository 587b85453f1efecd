"""Where a training starts: from the backbone, from the last model, or where it was killed."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.settings import SAMPLE_SOURCE, Settings
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import models
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.training import Model
from twin_matcher_dagster.training.plan import TrainingPlan

REFINING_SHARE = 0.2
"""Of the epochs and of the learning rate, where a model is trained on that knows most people."""

SAMPLE_EPOCHS = 4
"""Rendered faces in good light are learnt sooner than photos are."""


def epochs_of(settings: Settings) -> int:
    """As many as are asked for; by default those of TrainingPlan, and fewer for the sample."""
    default = SAMPLE_EPOCHS if settings.raw_faces == SAMPLE_SOURCE else TrainingPlan.epochs
    return settings.epochs or default


def ancestor_of(
    store: ObjectStore, plan: TrainingPlan, backbone: str, dataset: Version
) -> Manifest[Model] | None:
    """The model to train on: the last one, if it is of this plan and backbone, and nobody left.

    With other celebrities, or others held out of them, what would be measured on may be what the
    ancestor learnt.
    """
    last = models(store).head()
    if last is None or set(last.record.uploads) - set(dataset.upload_ids):
        return None
    if last.record.celebrities != dataset.record.balanced.fingerprint:
        return None
    same = last.record.plan == asdict(plan) and last.record.backbone == backbone
    return last if same else None


def refining(plan: TrainingPlan) -> TrainingPlan:
    """A plan for a model that knows most people already."""
    return replace(
        plan,
        epochs=max(1, round(REFINING_SHARE * plan.epochs)),
        learning_rate=REFINING_SHARE * plan.learning_rate,
    )


def started_from(
    store: ObjectStore, plan: TrainingPlan, ancestor: Manifest[Model] | None, folder: Path
) -> TrainingPlan:
    """The plan to train by; an ancestor's files are read into the folder."""
    if ancestor is None:
        return plan
    folder.mkdir()
    get_model(store, ancestor.record.files, folder)
    return replace(refining(plan), backbone=str(folder))


def checkpoints_of(home: Path, dataset: Version, plan: TrainingPlan, start: str) -> Path:
    """The folder with the state of this very training, should it have been killed.

    On another number of GPUs it is another one: an epoch has other steps.

    Of other trainings nothing is kept: there may be somebody in them who was erased.

    Args:
        home: folder of the checkpoints of all trainings.
        dataset, plan: what is learnt, and how.
        start: from what, with its weights' mark.
    """
    import torch

    values = {name: value for name, value in asdict(plan).items() if name != "backbone"}
    gpus = torch.cuda.device_count()
    folder = home / fingerprint(dataset.training_fingerprint, start, values, gpus)[:16]
    for other in home.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
