"""Fine-tune an image classifier to tell the identities of a data set apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.training.backbone import (
    SMALL,
    cannot_load,
    folder_of,
    image_processor,
    load_backbone,
)
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.learning_curve import Epoch, curve_of
from twin_matcher_dagster.training.plan import Objective

if TYPE_CHECKING:
    import torch

    from twin_matcher_dagster.recognition.network import TwinNet

IMPRINT_BATCH = 64


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        backbone: what to start from, see :func:`~.backbone.load_backbone`.
        epochs: passes over the training split.
        batch_size: faces a step and device, at most; fewer where an epoch would have under 8 steps.
        frozen_stages: how many stages of a ResNet, after its stem, stay as they are where it was
            trained on faces before, which its neck tells. Of another backbone all are trained.
        learning_rate: peak of the cosine schedule, for AdamW.
        objective: what is asked of the embedding.
        ema: of the mean of weights that is validated and saved, 0 to 1: how slowly it follows.
        patience: epochs without a better validation accuracy after which training ends; None to
            see the schedule through. It needs checkpoints, to go back to the best one.
        seed: fixes initial weights, order and augmentation.
    """

    backbone: str = SMALL
    epochs: int = 20
    batch_size: int = 32
    frozen_stages: int = 2
    learning_rate: float = 3e-3
    objective: Objective = field(default_factory=Objective)
    ema: float = 0.99
    patience: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class LabelledFaces:
    """Decoded faces of one split.

    Attributes:
        images: uint8 RGB [n, side, side, 3].
        classes: int64 [n].
        teacher: float32 [n, 128], what the reference recogniser says of them; None if unknown.
    """

    images: np.ndarray
    classes: np.ndarray
    teacher: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Any]:
        """A batch at once: nothing is done face by face."""
        import torch

        batch = {"images": self.images[indices], "labels": self.classes[indices]}
        if self.teacher is not None:
            batch["teacher"] = self.teacher[indices]
        return {name: torch.from_numpy(values) for name, values in batch.items()}


def fine_tune(
    train: LabelledFaces,
    validation: LabelledFaces,
    labels: Mapping[str, str],
    plan: TrainingPlan,
    folder: Path,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoints: Path | None = None,
    logs: Path | None = None,
    devices: int | None = None,
) -> list[Epoch]:
    """Train and write a standard `transformers` model folder (config, safetensors, processor).

    Args:
        train, validation: decoded faces; ``validation`` may be empty.
        labels: identity id -> name, in class order.
        plan: how to train.
        folder: where the model goes; it must not exist yet.
        on_epoch: called after every epoch.
        checkpoints: where to keep the state of every epoch, and to go on from if there is some:
            what was killed continues, and ends as it would have. Nothing is kept without it.
        logs: where TensorBoard's event files go, if anywhere.
        devices: how many share the work; None for all GPUs, or whatever the machine has else.

    Returns:
        The learning curve, with what went before an interruption; ``on_epoch`` gets only the rest.

    Raises:
        TrainingError: fewer than two identities, or a backbone that cannot be loaded.
        ValueError: a plan with patience, and no place for checkpoints.
        RuntimeError: one of several devices' processes ended early.
    """
    if plan.patience and not checkpoints:
        raise ValueError("A plan with patience needs a folder for checkpoints.")
    if len(labels) < 2 or len(set(train.classes.tolist())) < 2:
        raise TrainingError(
            f"The training split has {len(set(train.classes.tolist()))} identities, at least 2 are "
            "needed. Check balanced_faces: too few faces an identity are left out."
        )
    import torch

    processor = image_processor(plan.backbone)
    preprocessing = Preprocessing.of(processor)
    train, validation = (_shrunk(faces, preprocessing) for faces in (train, validation))
    gpus = torch.cuda.device_count()
    if max(devices or 1, gpus) > 1 and not torch.distributed.is_torchelastic_launched():
        from twin_matcher_dagster.training.distributed import fine_tune_on

        where = folder, on_epoch, checkpoints, logs
        return fine_tune_on(devices or gpus, train, validation, labels, plan, *where)
    from transformers import EarlyStoppingCallback, PrinterCallback, set_seed
    from transformers.utils.logging import disable_progress_bar

    from twin_matcher_dagster.recognition.network import Learner
    from twin_matcher_dagster.training.hf_trainer import BalancedTrainer, Recorder, arguments

    disable_progress_bar()
    set_seed(plan.seed)
    args = arguments(
        plan, len(train), len(validation), checkpoints or folder, kept=checkpoints is not None
    )
    net = start(train, labels, plan, preprocessing)
    centre = None if train.teacher is None else torch.from_numpy(train.teacher.mean(0))
    learner = Learner(net, plan.objective, plan.ema, plan.seed, centre, args.process_index)
    order = torch.Generator()
    trainer = BalancedTrainer(
        train,
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
            _batches(train, preprocessing, str(average.head.weight.device)),
            set(train.classes.tolist()),
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
    folder = None if plan.backbone == SMALL else folder_of(plan.backbone)
    try:
        net = TwinNet(model, preprocessing, folder)
    except (KeyError, OSError, RuntimeError, SafetensorError) as error:
        raise cannot_load(plan.backbone, error) from error
    if folder is not None and (folder / NECK_FILE).is_file():
        net.freeze(plan.frozen_stages)
    # Random weights have nothing to say about anybody.
    if plan.backbone != SMALL and fresh:
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


def _shrunk(faces: LabelledFaces, preprocessing: Preprocessing) -> LabelledFaces:
    return LabelledFaces(preprocessing.shrink(faces.images), faces.classes, faces.teacher)
