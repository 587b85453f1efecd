"""Fine-tune an image classifier to tell the identities of a data set apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.backbone import (
    SMALL,
    cannot_load,
    folder_of,
    image_processor,
    load_backbone,
)
from twin_matcher_dagster.recognition.checkpoints import newest_whole
from twin_matcher_dagster.recognition.curve import Epoch, curve_of
from twin_matcher_dagster.recognition.objective import Objective
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.recognition.sampling import draws_an_epoch, sampler_weights

if TYPE_CHECKING:
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from twin_matcher_dagster.recognition.network import TwinNet

MIN_STEPS = 8
IMPRINT_BATCH = 64


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        backbone: what to start from, see :func:`~.backbone.load_backbone`.
        epochs: passes over the training split.
        batch_size: faces a step, at most; fewer where an epoch would have under 8 steps.
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

    Returns:
        The learning curve, with what went before an interruption; ``on_epoch`` gets only the rest.

    Raises:
        TrainingError: fewer than two identities, or a backbone that cannot be loaded.
        ValueError: a plan with patience, and no place for checkpoints.
    """
    if plan.patience and not checkpoints:
        raise ValueError("A plan with patience needs a folder for checkpoints.")
    if len(labels) < 2 or len(set(train.classes.tolist())) < 2:
        raise TrainingError(
            f"The training split has {len(set(train.classes.tolist()))} identities, at least 2 are "
            "needed. Check balanced_faces: too few faces an identity are left out."
        )
    import torch
    from transformers import EarlyStoppingCallback, PrinterCallback, set_seed
    from transformers.utils.logging import disable_progress_bar

    from twin_matcher_dagster.recognition.network import Learner

    disable_progress_bar()
    set_seed(plan.seed)
    processor = image_processor(plan.backbone)
    preprocessing = Preprocessing.of(processor)
    train, validation = (_shrunk(faces, preprocessing) for faces in (train, validation))
    net = start(train, labels, plan, preprocessing)
    centre = None if train.teacher is None else torch.from_numpy(train.teacher.mean(0))
    learner = Learner(net, plan.objective, plan.ema, plan.seed, centre)
    order = torch.Generator()
    trainer = _balanced_trainer(train, order)(
        model=learner,
        args=_arguments(plan, len(train), len(validation), checkpoints, folder),
        train_dataset=train,  # ty: ignore[invalid-argument-type]
        eval_dataset=validation if len(validation) else None,  # ty: ignore[invalid-argument-type]
        data_collator=_as_it_is,
        compute_metrics=_accuracy,
        callbacks=[_recorder(learner, order, plan.seed, on_epoch)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints what on_epoch gets
    if logs:
        from tensorboardX import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        trainer.add_callback(TensorBoardCallback(SummaryWriter(str(logs))))
    if plan.patience and len(validation):
        trainer.add_callback(EarlyStoppingCallback(plan.patience))
    begun = newest_whole(checkpoints) if checkpoints else None
    trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    average: Any = learner.average.module
    # Learnt rows tell these people apart and nobody else: they may all lean one way, and whoever
    # is imprinted beside them later would take their faces. Means stand beside means.
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


def _as_it_is(batch: Any) -> Any:
    return batch


def _shrunk(faces: LabelledFaces, preprocessing: Preprocessing) -> LabelledFaces:
    return LabelledFaces(preprocessing.shrink(faces.images), faces.classes, faces.teacher)


def _arguments(
    plan: TrainingPlan, train: int, validation: int, checkpoints: Path | None, folder: Path
) -> TrainingArguments:
    import torch
    from transformers import TrainingArguments

    # BatchNorm's running statistics follow over some ten steps: a small set gets smaller batches.
    batch_size = max(2, min(plan.batch_size, max(8, train // MIN_STEPS)))
    best = bool(plan.patience and validation)
    return TrainingArguments(
        output_dir=str(checkpoints or folder),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=128,
        learning_rate=plan.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, plan.epochs * train // batch_size // 10),
        weight_decay=0.05,
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        eval_strategy="epoch" if validation else "no",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,  # a loss that is no number must be seen
        # Patience that was used up before an interruption is used up after it.
        restore_callback_states_from_checkpoint=True,
        save_strategy="epoch" if checkpoints else "no",
        save_total_limit=1,
        load_best_model_at_end=best,
        metric_for_best_model="accuracy" if best else None,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=False,
        seed=plan.seed,
    )


def _balanced_trainer(train: LabelledFaces, order: Any) -> type[Trainer]:
    """A Trainer that draws every identity equally often, with replacement."""
    from torch.utils.data import WeightedRandomSampler
    from transformers import Trainer

    weights = sampler_weights(train.classes).tolist()

    class BalancedTrainer(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> WeightedRandomSampler:
            args = self.args
            draws = draws_an_epoch(len(weights), args.train_batch_size, max(1, args.n_gpu))
            return WeightedRandomSampler(weights, draws, generator=order)

    return BalancedTrainer


def _accuracy(prediction: Any) -> dict[str, float]:
    """Share of faces whose most likely class is right."""
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


def _recorder(
    learner: Any, order: Any, seed: int, record: Callable[[Epoch], None]
) -> TrainerCallback:
    """A callback that keeps the mean of weights, and makes an :class:`Epoch` of an epoch's logs."""
    from transformers import TrainerCallback

    class Recorder(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            learner.step()

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            of_epoch = 1000 * seed + round(state.epoch or 0)
            order.manual_seed(of_epoch)
            learner.begin(of_epoch)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            if ("eval_loss" if args.eval_strategy != "no" else "loss") in (logs or {}):
                record(curve_of(state.log_history)[-1])

    return Recorder()
