"""One process of a training: the Trainer's loop, from the first step to the saved folder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.storage.records.training import Newcomers
from twin_matcher_dagster.training.backbone import (
    cannot_load,
    folder_of,
    image_processor,
    knows_faces,
    load_backbone,
)
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.learning_curve import Epoch, curve_of
from twin_matcher_dagster.training.newcomers import Lessons
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan

if TYPE_CHECKING:
    from twin_matcher_dagster.recognition.network import TwinNet


def train(
    lessons: Lessons,
    plan: TrainingPlan,
    folder: Path,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_choice: Callable[[Newcomers], None] = lambda choice: None,
    checkpoints: Path | None = None,
    logs: Path | None = None,
) -> list[Epoch]:
    """Train in this process, alone or as one of several that accelerate joins.

    Args:
        lessons: the faces, in the size that the network looks at.
        plan, folder, on_epoch, on_choice, checkpoints, logs: as for
            :func:`~.fine_tuning.fine_tune`.

    Returns:
        The learning curve, with what went before an interruption.
    """
    import torch
    from transformers import EarlyStoppingCallback, PrinterCallback, set_seed
    from transformers.utils.logging import disable_progress_bar

    from twin_matcher_dagster.training.blending import UNASKED_SHARE, Blender
    from twin_matcher_dagster.training.hf_trainer import BalancedTrainer, Recorder, arguments
    from twin_matcher_dagster.training.learner import Learner

    processor = image_processor(plan.backbone)
    preprocessing = Preprocessing.of(processor)
    disable_progress_bar()
    set_seed(plan.seed)
    faces, newcomers = lessons.learnt, lessons.newcomers
    learnt = len(lessons.labels) - len(np.unique(newcomers.classes))
    held_out = lessons.validation.where(lessons.validation.classes < learnt)
    args = arguments(
        plan, len(faces), len(held_out), checkpoints or folder, kept=checkpoints is not None
    )
    net = start(faces, dict(islice(lessons.labels.items(), learnt)), plan, preprocessing)
    before = copy.deepcopy(net)
    centre = None if faces.teacher is None else torch.from_numpy(faces.teacher.mean(0))
    learner = Learner(net, plan.objective, plan.ema, plan.seed, centre, args.process_index)
    order = torch.Generator()
    trainer = BalancedTrainer(
        faces,
        order,
        model=learner,
        args=args,
        eval_dataset=held_out if len(held_out) else None,
        callbacks=[Recorder(learner, order, plan.seed, on_epoch)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints what on_epoch gets
    if logs and trainer.is_world_process_zero():
        from tensorboardX import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        trainer.add_callback(TensorBoardCallback(SummaryWriter(str(logs))))
    if plan.patience and len(held_out):
        trainer.add_callback(EarlyStoppingCallback(plan.patience))
    begun = newest_whole(checkpoints) if checkpoints else None
    trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    if trainer.is_world_process_zero():
        after: Any = learner.average.module
        blender = Blender(before, after, lessons)
        share = UNASKED_SHARE if knows_faces(plan.backbone) else 1.0
        if len(newcomers):
            choice = blender.choose(plan.objective.scale)
            on_choice(choice)
            share = choice.share
        # Learnt rows tell these people apart and nobody else: they may all lean one way, and
        # whoever is imprinted beside them later would take their faces. Means stand beside means.
        ended = blender.blend(share, faces, newcomers)
        ended.cpu().export(folder, plan.objective.scale, processor)
    return curve_of(trainer.state.log_history)


def start(
    train: LabelledFaces,
    labels: Mapping[str, str],
    plan: TrainingPlan,
    preprocessing: Preprocessing,
) -> TwinNet:
    """The network before its first step: whoever is new in its head is imprinted."""
    from safetensors import SafetensorError

    from twin_matcher_dagster.recognition.network import TwinNet

    model, fresh = load_backbone(plan.backbone, labels)
    folder = None if plan.backbone == SMALL_BACKBONE else folder_of(plan.backbone)
    try:
        net = TwinNet(model, preprocessing, folder)
    except (KeyError, OSError, RuntimeError, SafetensorError) as error:
        raise cannot_load(plan.backbone, error) from error
    net.forget_metric()
    if knows_faces(plan.backbone):
        net.freeze(plan.frozen_stages)
    # Random weights have nothing to say about anybody.
    if plan.backbone != SMALL_BACKBONE and fresh:
        theirs = train.where(np.isin(train.classes, list(fresh)))
        net.imprint(theirs.prepared(preprocessing, "cpu"), set(theirs.classes.tolist()))
    return net
