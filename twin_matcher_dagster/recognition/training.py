"""Fine-tune a ResNet to tell the identities of a data set apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.backbone import SMALL, image_processor, load_backbone
from twin_matcher_dagster.recognition.preprocessing import Preprocessing, augment
from twin_matcher_dagster.recognition.sampling import sampler_weights

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback


MIN_STEPS = 8


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        backbone: what to start from, see :func:`~.backbone.load_backbone`.
        epochs: passes over the training split.
        batch_size: faces a step, at most; fewer where an epoch would have under 8 steps.
        learning_rate: peak of the cosine schedule, for AdamW.
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016).
        seed: fixes initial weights, order and augmentation.
    """

    backbone: str = SMALL
    epochs: int = 14
    batch_size: int = 32
    learning_rate: float = 2e-3
    label_smoothing: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class LabelledFaces:
    """Decoded faces of one split: uint8 RGB [n, 160, 160, 3] and int64 class numbers [n]."""

    images: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "label": int(self.classes[index])}


@dataclass(frozen=True)
class Epoch:
    """What was measured after one epoch."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float


def fine_tune(
    train: LabelledFaces,
    validation: LabelledFaces,
    labels: Mapping[str, str],
    plan: TrainingPlan,
    folder: Path,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train and write a standard `transformers` model folder (config, safetensors, processor).

    Args:
        train, validation: decoded faces; ``validation`` may be empty.
        labels: identity id -> name, in class order.
        plan: how to train.
        folder: where the model goes; it must not exist yet.
        on_epoch: called after every epoch.

    Returns:
        The learning curve.

    Raises:
        TrainingError: fewer than two identities, or a backbone that cannot be loaded.
    """
    if len(labels) < 2 or len(set(train.classes.tolist())) < 2:
        raise TrainingError(
            f"The training split has {len(set(train.classes.tolist()))} identities, at least 2 are "
            "needed. Check balanced_faces: too few faces an identity are left out."
        )
    from transformers import PrinterCallback, TrainingArguments, set_seed
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    set_seed(plan.seed)
    # BatchNorm's running statistics follow over some ten steps: a small set gets smaller batches.
    batch_size = min(plan.batch_size, max(8, len(train) // MIN_STEPS))
    processor = image_processor(plan.backbone)
    model = load_backbone(plan.backbone, labels)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=128,
        learning_rate=plan.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, plan.epochs * len(train) // batch_size // 10),
        weight_decay=0.05,
        label_smoothing_factor=plan.label_smoothing,
        eval_strategy="epoch" if len(validation) else "no",
        logging_strategy="epoch",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        seed=plan.seed,
    )
    curve: list[Epoch] = []

    def record(epoch: Epoch) -> None:
        curve.append(epoch)
        on_epoch(epoch)

    trainer = _balanced_trainer(train, plan.seed)(
        model=model,
        args=arguments,
        train_dataset=train,  # ty: ignore[invalid-argument-type]
        eval_dataset=validation if len(validation) else None,  # ty: ignore[invalid-argument-type]
        data_collator=_Collator(Preprocessing.of(processor), model, plan.seed),
        compute_metrics=_accuracy,
        callbacks=[_recorder(record)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints what on_epoch gets
    trainer.train()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return curve


def _balanced_trainer(train: LabelledFaces, seed: int) -> type[Trainer]:
    """A Trainer that draws every identity equally often, with replacement."""
    import torch
    from torch.utils.data import WeightedRandomSampler
    from transformers import Trainer

    weights = sampler_weights(train.classes).tolist()

    class BalancedTrainer(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> WeightedRandomSampler:
            generator = torch.Generator().manual_seed(seed)
            return WeightedRandomSampler(weights, len(weights), generator=generator)

    return BalancedTrainer


class _Collator:
    """Rows to a batch: prepared for the network, and varied while it is being trained."""

    def __init__(self, preprocessing: Preprocessing, model: Any, seed: int) -> None:
        import torch

        self._preprocessing = preprocessing
        self._model = model
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        pixels = self._preprocessing(np.stack([row["image"] for row in rows]))
        if self._model.training:
            pixels = augment(pixels, self._generator)
        return {"pixel_values": pixels, "labels": torch.tensor([row["label"] for row in rows])}


def _accuracy(prediction: Any) -> dict[str, float]:
    """Share of faces whose most likely class is right."""
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


def _recorder(record: Callable[[Epoch], None]) -> TrainerCallback:
    """A callback that turns the Trainer's logs into one :class:`Epoch` after each epoch."""
    from transformers import TrainerCallback

    class Recorder(TrainerCallback):
        latest: dict[str, float]

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.latest = {}

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            self.latest.update(logs or {})
            wanted = "eval_loss" if args.eval_strategy != "no" else "loss"
            if wanted in self.latest and "train_runtime" not in self.latest:
                record(
                    Epoch(
                        epoch=round(state.epoch),
                        train_loss=float(self.latest.get("loss", float("nan"))),
                        validation_loss=float(self.latest.get("eval_loss", float("nan"))),
                        validation_accuracy=float(self.latest.get("eval_accuracy", float("nan"))),
                    )
                )

    return Recorder()


def as_text(plan: TrainingPlan) -> dict[str, str]:
    """A plan as text, for fingerprints and reports."""
    return {name: str(value) for name, value in asdict(plan).items()}
