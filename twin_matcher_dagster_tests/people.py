"""The sample's faces: of three people to train on, of whom ``trained`` in conftest is a model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from twin_matcher_dagster.celebrities.sources import read_source
from twin_matcher_dagster.dataset.identity import celebrity_id, tidy
from twin_matcher_dagster.dataset.schema import RawFace, write_raw_shard
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE, SMALL_BACKBONE
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan
from twin_matcher_dagster_tests.training.crowd import crowd

PLAN = TrainingPlan(backbone=SMALL_BACKBONE, epochs=12, batch_size=8)
NEWCOMER = "Emil Sandqvara"
NAMES = ("Mira Okonkwari", "Darshan Irukulla", "Sunhee Baekmun")
LABELS = {celebrity_id(name): name for name in NAMES}
TRAIN, VALIDATION = 24, 8
CELEBRITIES = 4
QUICK = TrainingPlan(backbone=SMALL_BACKBONE, epochs=1, batch_size=8)


def fixed(faces: LabelledFaces) -> LabelledFaces:
    """Faces that all tests share, and none can change."""
    for values in (faces.images, faces.classes, faces.teacher):
        if values is not None:
            values.flags.writeable = False
    return faces


FACES, OTHERS = fixed(crowd(4, 20)), fixed(crowd(4, 5, seed=2))
People = tuple[LabelledFaces, LabelledFaces]


@dataclass(frozen=True)
class Trained:
    """A finished training: where the model is, its curve, and what was reported on the way."""

    folder: Path
    curve: list[Epoch]
    reported: list[Epoch]


def read_raw_sample() -> Iterator[RawFace]:
    """The rows of the sample, as raw faces."""
    for row in read_source("sample", SAMPLE / "faces.parquet"):
        yield replace(row, label=tidy(row.label).title())


def write_small_source(folder: Path) -> Path:
    """Forty faces of each of the first ``CELEBRITIES`` people, by name, as a source; its file."""
    by_label: dict[str, list[RawFace]] = {}
    for row in read_raw_sample():
        by_label.setdefault(row.label, []).append(row)
    rows = [row for label in sorted(by_label)[:CELEBRITIES] for row in by_label[label][:40]]
    path = folder / "faces.parquet"
    path.write_bytes(write_raw_shard(rows).data)
    shutil.copy(SAMPLE / "people.json", folder)
    return path


def faces_of(*names: str) -> dict[str, list[np.ndarray]]:
    """Some faces of people of the sample."""
    images: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for row in read_raw_sample():
        if len(images.get(tidy(row.label), [()] * 99)) < TRAIN + VALIDATION:
            images[row.label].append(read_image(row.image))
    return images


def labelled(images: dict[str, list[np.ndarray]], start: int, count: int) -> LabelledFaces:
    """A slice of everybody's faces, and what the recogniser says of them."""
    pixels = [images[name][start + n] for n in range(count) for name in NAMES]
    classes = np.tile(np.arange(len(NAMES)), count)
    return fixed(LabelledFaces(np.stack(pixels), classes, load_recogniser("bundled")(pixels)))


def part(faces: LabelledFaces, count: int) -> LabelledFaces:
    teacher = None if faces.teacher is None else faces.teacher[:count]
    return LabelledFaces(faces.images[:count], faces.classes[:count], teacher)


def said(folder: Path, images: np.ndarray) -> list[str]:
    """The most likely class of each image, by anybody's reader of the folder."""
    from transformers import pipeline

    classify = pipeline("image-classification", model=str(folder))
    return [str(classify(Image.fromarray(one), top_k=1)[0]["label"]) for one in images]


def nobody(faces: LabelledFaces) -> LabelledFaces:
    return part(faces, 0)


def three_people() -> People:
    """Faces for training and for validation, the classes in turn."""
    images = faces_of(*NAMES)
    return labelled(images, 0, TRAIN), labelled(images, TRAIN, VALIDATION)
