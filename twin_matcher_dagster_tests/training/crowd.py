"""Many people at no cost: coarse coloured patterns, and a tiny network that looks at them.

Run as a program it trains, and is killed in the middle::

    python -m twin_matcher_dagster_tests.training.crowd BACKBONE CHECKPOINTS MODEL EPOCH DEVICES
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.plan import LabelledFaces, Objective, TrainingPlan

SIDE = 32
PEOPLE = {f"c-{number}": f"Name {number}" for number in range(4)}


def tiny_backbone(folder: Path) -> str:
    """A network of 8,000 random weights that sees 32 pixels; its folder."""
    from transformers import (
        ConvNextImageProcessorPil,
        ResNetConfig,
        ResNetForImageClassification,
        set_seed,
    )

    set_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(config).save_pretrained(folder)
    half = [0.5, 0.5, 0.5]
    ConvNextImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_pct=1.0, image_mean=half, image_std=half
    ).save_pretrained(folder)
    return str(folder)


def crowd(people: int, faces: int, seed: int = 1) -> LabelledFaces:
    """Faces of so many people, in turn; the same people whatever the seed."""
    typical = np.random.default_rng(0).integers(0, 255, (people, 8, 8, 3))
    classes = np.tile(np.arange(people), faces)
    noise = np.random.default_rng(seed).normal(0, 30, (len(classes), 8, 8, 3))
    images = np.clip(typical[classes] + noise, 0, 255).astype(np.uint8)
    return LabelledFaces(images.repeat(SIDE // 8, 1).repeat(SIDE // 8, 2), classes)


def net_of(tiny: str) -> TwinNet:
    """A network with a neck that does something: features have a mean and a spread."""
    torch.manual_seed(0)
    net = TwinNet(load_backbone(tiny, PEOPLE)[0], Preprocessing.of(image_processor(tiny)))
    features = (
        net.eval().features(net.preprocessing(torch.from_numpy(crowd(4, 10).images))).detach()
    )
    net.neck.running_mean.copy_(features.mean(0))
    net.neck.running_var.copy_(features.var(0))
    return net


# There is no teacher for noise.
UNTAUGHT = Objective(distillation=0)


def plan_of(backbone: str) -> TrainingPlan:
    """Four epochs on four people."""
    return TrainingPlan(backbone=backbone, epochs=4, batch_size=16, objective=UNTAUGHT)


def main(backbone: str, checkpoints: str, model: str, epoch: str, devices: str) -> None:
    """Train, and die when an epoch is reported, before its state is kept."""

    def die(reported: Epoch) -> None:
        if reported.epoch == int(epoch):
            os.kill(os.getpid(), signal.SIGKILL)

    faces = crowd(4, 20), crowd(4, 5, seed=2)
    where = Path(model), die, Path(checkpoints)
    fine_tune(*faces, PEOPLE, plan_of(backbone), *where, devices=int(devices))


if __name__ == "__main__":
    main(*sys.argv[1:])
