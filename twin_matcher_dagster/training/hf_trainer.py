"""What is ours of transformers' Trainer: its arguments, who is drawn, what is kept and reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import WeightedRandomSampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from twin_matcher_dagster.training.class_balance import draws_an_epoch, sampler_weights
from twin_matcher_dagster.training.learning_curve import Epoch, curve_of

if TYPE_CHECKING:
    from twin_matcher_dagster.training.learner import Learner
    from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan

MIN_STEPS = 8


def arguments(
    plan: TrainingPlan, train: int, validation: int, folder: Path, kept: bool
) -> TrainingArguments:
    """The Trainer's arguments.

    Args:
        plan: how to train.
        train, validation: how many faces there are.
        folder: where checkpoints go.
        kept: whether there are to be any.
    """
    # That train together, each on its device.
    together = torch.distributed.is_torchelastic_launched()
    processes = int(os.environ["WORLD_SIZE"]) if together else 1
    # BatchNorm's running statistics follow over some ten steps: a small set gets smaller batches.
    batch_size = max(2, min(plan.batch_size, max(8, train // (MIN_STEPS * processes))))
    best = bool(plan.patience and validation)
    args = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=128,
        learning_rate=plan.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, plan.epochs * train // (batch_size * processes) // 10),
        weight_decay=0.05,
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        eval_strategy="epoch" if validation else "no",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,  # a loss that is no number must be seen
        # Patience that was used up before an interruption is used up after it.
        restore_callback_states_from_checkpoint=True,
        save_strategy="epoch" if kept else "no",
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
    if args.world_size != processes:  # each would train by itself, on everything
        raise RuntimeError(f"{processes} processes were started, and {args.world_size} found.")
    return args


class BalancedTrainer(Trainer):
    """A Trainer that draws every identity equally often, with replacement."""

    def __init__(self, faces: LabelledFaces, order: torch.Generator, **more: Any) -> None:
        """As the Trainer's own.

        Args:
            faces: what is trained on.
            order: who is drawn, and when.
            more: the Trainer's other arguments.
        """
        self._weights = sampler_weights(faces.classes).tolist()
        self._order = order
        super().__init__(
            train_dataset=faces,  # ty: ignore[invalid-argument-type]
            data_collator=_as_it_is,
            compute_metrics=_accuracy,
            **more,
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> WeightedRandomSampler:
        draws = draws_an_epoch(len(self._weights), self.args.train_batch_size)
        return WeightedRandomSampler(self._weights, draws, generator=self._order)


def _as_it_is(batch: Any) -> Any:
    return batch


def _accuracy(prediction: Any) -> dict[str, float]:
    """Share of faces whose most likely class is right."""
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


class Recorder(TrainerCallback):
    """Keeps the mean of weights, and makes an :class:`Epoch` of an epoch's logs."""

    def __init__(
        self,
        learner: Learner,
        order: torch.Generator,
        seed: int,
        on_epoch: Callable[[Epoch], None],
    ) -> None:
        """Make one.

        Args:
            learner: what is trained.
            order: seeded anew for every epoch.
            seed: of the training.
            on_epoch: called after every epoch, in the first process alone.
        """
        self._learner, self._order, self._seed = learner, order, seed
        self._on_epoch = on_epoch

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After a step of the optimizer."""
        self._learner.step()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An epoch draws the same whether the ones before ran just now or not."""
        of_epoch = 1000 * self._seed + round(state.epoch or 0)
        self._order.manual_seed(of_epoch)
        self._learner.begin(of_epoch)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """When an epoch was measured."""
        measured = ("eval_loss" if args.eval_strategy != "no" else "loss") in (logs or {})
        if measured and state.is_world_process_zero:
            self._on_epoch(curve_of(state.log_history)[-1])
