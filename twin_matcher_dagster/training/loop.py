"""One process of a training: the Trainer's loop, from the first step to the saved folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import (
    cannot_load,
    folder_of,
    image_processor,
    load_backbone,
)
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.learning_curve import Epoch, curve_of
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan

if TYPE_CHECKING:
    import torch

    from twin_matcher_dagster.recognition.network import TwinNet

IMPRINT_BATCH = 64


def train(
    faces: LabelledFaces,
    validation: LabelledFaces,
    labels: Mapping[str, str],
    plan: TrainingPlan,
    folder: Path,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoints: Path | None = None,
    logs: Path | None = None,
) -> list[Epoch]:
    """Train in this process, alone or as one of several that accelerate joins.

    Args:
        faces: to train on, in the size that the network looks at.
        validation, labels, plan, folder, on_epoch, checkpoints, logs: as for
            :func:`~.fine_tuning.fine_tune`.

    Returns:
        The learning curve, with what went before an interruption.
    """
    import torch
    from transformers import EarlyStoppingCallback, PrinterCallback, set_seed
    from transformers.utils.logging import disable_progress_bar

    from twin_matcher_dagster.training.hf_trainer import BalancedTrainer, Recorder, arguments
    from twin_matcher_dagster.training.learner import Learner

    processor = image_processor(plan.backbone)
    preprocessing = Preprocessing.of(processor)
    disable_progress_bar()
    set_seed(plan.seed)
    args = arguments(
        plan, len(faces), len(validation), checkpoints or folder, kept=checkpoints is not None
    )
    net = start(faces, labels, plan, preprocessing)
    centre = None if faces.teacher is None else torch.from_numpy(faces.teacher.mean(0))
    learner = Learner(net, plan.objective, plan.ema, plan.seed, centre, args.process_index)
    order = torch.Generator()
    trainer = BalancedTrainer(
        faces,
        order,
        model=learner,
        args=args,
        eval_dataset=validation if len(validation) else None,
        callbacks=[Recorder(learner, order, plan.seed, on_epoch)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints what on_epoch gets
    if logs and trainer.is_world_process_zero():
        from tensorboardX import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        trainer.add_callback(TensorBoardCallback(SummaryWriter(str(logs))))
    if plan.patience and len(validation):
        trainer.add_callback(EarlyStoppingCallback(plan.patience))
    begun = newest_whole(checkpoints) if checkpoints else None
    trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    if trainer.is_world_process_zero():
        average: Any = learner.average.module
        # Learnt rows tell these people apart and nobody else: they may all lean one way, and
        # whoever is imprinted beside them later would take their faces. Means stand beside means.
        average.imprint(
            _batches(faces, preprocessing, str(average.head.weight.device)),
            set(faces.classes.tolist()),
        )
        average.cpu().export(folder, plan.objective.scale, processor)
    return curve_of(trainer.state.log_history)


def start(
    train: LabelledFaces,
    labels: Mapping[str, str],
    plan: TrainingPlan,
    preprocessing: Preprocessing,
) -> TwinNet:
    """The network before its first step: whoever is new in its head is imprinted."""
    from safetensors import SafetensorError

    from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet

    model, fresh = load_backbone(plan.backbone, labels)
    folder = None if plan.backbone == SMALL_BACKBONE else folder_of(plan.backbone)
    try:
        net = TwinNet(model, preprocessing, folder)
    except (KeyError, OSError, RuntimeError, SafetensorError) as error:
        raise cannot_load(plan.backbone, error) from error
    if folder is not None and (folder / NECK_FILE).is_file():
        net.freeze(plan.frozen_stages)
    # Random weights have nothing to say about anybody.
    if plan.backbone != SMALL_BACKBONE and fresh:
        theirs = np.flatnonzero(np.isin(train.classes, list(fresh)))
        faces = LabelledFaces(train.images[theirs], train.classes[theirs])
        net.imprint(_batches(faces, preprocessing, "cpu"), set(faces.classes.tolist()))
    return net


def _batches(
    faces: LabelledFaces, preprocessing: Preprocessing, device: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Pixels and classes, as they are."""
    import torch

    for first in range(0, len(faces), IMPRINT_BATCH):
        part = slice(first, first + IMPRINT_BATCH)
        pixels, classes = preprocessing(faces.images[part]), torch.from_numpy(faces.classes[part])
        yield pixels.to(device), classes.to(device)
