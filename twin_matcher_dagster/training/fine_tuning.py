"""Fine-tune an image classifier to tell the identities of a data set apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.storage.records.training import Newcomers
from twin_matcher_dagster.training.backbone import image_processor
from twin_matcher_dagster.training.distributed import train_on_devices
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.loop import train
from twin_matcher_dagster.training.newcomers import Lessons, without_newcomers
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan


def fine_tune(
    faces: LabelledFaces,
    validation: LabelledFaces,
    labels: Mapping[str, str],
    plan: TrainingPlan,
    folder: Path,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoints: Path | None = None,
    logs: Path | None = None,
    devices: int | None = None,
    on_choice: Callable[[Newcomers], None] = lambda choice: None,
) -> list[Epoch]:
    """Train and write a standard `transformers` model folder (config, safetensors, processor).

    Args:
        faces: decoded faces to train on.
        validation: decoded faces that are held out; may be empty.
        labels: identity id -> name, in class order.
        plan: how to train.
        folder: where the model goes; it must not exist yet.
        on_epoch: called after every epoch.
        checkpoints: where to keep the state of every epoch, and to go on from if there is some:
            what was killed continues, and ends as it would have. Nothing is kept without it.
        logs: where TensorBoard's event files go, if anywhere.
        devices: how many share the work; None for all GPUs, or whatever the machine has else.
        on_choice: called at the end where people were kept out, with what they said.

    Returns:
        The learning curve, with what went before an interruption; ``on_epoch`` gets only the rest.

    Raises:
        TrainingError: fewer than two identities, or a backbone that cannot be loaded.
        ValueError: a plan with patience, and no place for checkpoints.
        RuntimeError: one of several devices' processes ended early.
    """
    if plan.patience and not checkpoints:
        raise ValueError("A plan with patience needs a folder for checkpoints.")
    if len(labels) < 2 or len(set(faces.classes.tolist())) < 2:
        raise TrainingError(
            f"The training split has {len(set(faces.classes.tolist()))} identities, at least 2 are "
            "needed. Lower MIN_FACES, or add people and photos to RAW_FACES."
        )
    import torch

    preprocessing = Preprocessing.of(image_processor(plan.backbone))
    faces, validation = (_shrunk(each, preprocessing) for each in (faces, validation))
    if plan.backbone == SMALL_BACKBONE:  # of random weights and others there is no mean
        lessons = Lessons(labels, faces, faces.where(np.arange(0)), validation)
    else:
        kept_out = plan.seed, plan.newcomers
        lessons = without_newcomers(faces, validation, labels, *kept_out)
    gpus = torch.cuda.device_count()
    how = plan, folder, on_epoch, on_choice, checkpoints, logs
    # On a machine with several GPUs one alone is a process of its own too: the Trainer would spread
    # over all of them by DataParallel.
    if max(devices or 1, gpus) > 1:
        return train_on_devices(devices or gpus, lessons, *how)
    return train(lessons, *how)


def _shrunk(faces: LabelledFaces, preprocessing: Preprocessing) -> LabelledFaces:
    """Faces in the size that the network looks at."""
    return LabelledFaces(preprocessing.shrink(faces.images), faces.classes, faces.teacher)
