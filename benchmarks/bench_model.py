"""Claim: the network that ships, fine-tuned, and the recogniser together know people, old and new.

Printed beside one another in the same run: the fine-tuned ResNet alone, the recogniser alone and
both fused; the ResNet from the bundled backbone, the same from random weights, and by the recipe of
transformers' image-classification example (decode, random crop and flip face by face, plain
cross-entropy). Then people whom the fine-tuning never saw, enrolled with 20 photos; a dirty
collection, cleaned and as it is; what training costs a face; and what it costs to train on, when
one person is new.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from bench_choice import DATA, Person, cleaned, look, people_of, read
from PIL import Image
from rich.console import Console
from rich.table import Column, Table
from torch.utils.flop_counter import FlopCounterMode
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from twin_matcher_dagster.celebrities.inspection import Inspection
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.evaluation import ranks
from twin_matcher_dagster.recognition.fusion import fit, fit_gallery
from twin_matcher_dagster.recognition.gallery import COMPONENTS, Gallery
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import BUNDLED_BACKBONE, SMALL_BACKBONE
from twin_matcher_dagster.training import blending
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.blending import SHARES, Blender
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.loop import start as start_of
from twin_matcher_dagster.training.newcomers import Lessons
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan

DIRTY = DATA.parent / "bollywood" / "train.parquet"
TRAIN, VALIDATION, ENROLLED, NEW = 85, 10, 20, 5
NEWCOMERS = 3
POOL = 250
CONSOLE = Console(width=110)
PLAN = TrainingPlan(backbone=BUNDLED_BACKBONE)


@dataclass(frozen=True)
class Split:
    """People's photos for training, for fitting the fusion, and for the test.

    ``more`` are photos of the pool that are in none of these. Cleaning kept them because the
    recogniser knew them: they say something of the ResNet alone.
    """

    train: dict[str, Person]
    validation: dict[str, Person]
    test: dict[str, Person]
    more: dict[str, Person]

    @classmethod
    def of(cls, pool: dict[str, Person], probes: dict[str, Person]) -> Split:
        """At most 85 photos to train on, and the next 10, or a tenth, to validate."""
        train, validation, more = {}, {}, {}
        for who, person in pool.items():
            held = min(VALIDATION, len(person.crops) // 10)
            validation[who] = part(person, 0, held)
            train[who] = part(person, held, held + TRAIN)
            more[who] = part(person, held + TRAIN, len(person.crops))
        test = {who: one for who, one in probes.items() if who in pool}
        return cls(train, validation, test, {who: one for who, one in more.items() if one.crops})


def part(person: Person, first: int, last: int) -> Person:
    return Person(
        person.vectors[first:last],
        person.crops[first:last],
        person.angles[first:last],
        person.sharpness[first:last],
    )


def labelled(people: dict[str, Person], classes: Sequence[str]) -> LabelledFaces:
    """All photos of these people, with the recogniser's vectors."""
    own = [who for who in classes if who in people]
    return LabelledFaces(
        np.stack([crop for who in own for crop in people[who].crops]),
        np.array([classes.index(who) for who in own for _ in people[who].crops], np.int64),
        np.concatenate([people[who].vectors for who in own]),
    )


def trained(
    split: Split,
    plan: TrainingPlan,
    folder: Path,
    learnt: Sequence[str] | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> float:
    """Train on some of the people, by default on all; the seconds."""
    learnt = learnt or list(split.train)
    started = time.perf_counter()
    fine_tune(
        labelled(split.train, learnt),
        labelled(split.validation, learnt),
        {who: who for who in learnt},
        plan,
        folder,
        on_epoch,
    )
    return time.perf_counter() - started


def gallery(embedder: Embedder, split: Split, new: Sequence[str]) -> Gallery:
    """Everybody: learnt rows, and imprinted ones of 20 photos for who is new."""
    rows = dict(zip(embedder.identities, embedder.rows, strict=True))
    templates = {}
    for who, person in split.train.items():
        templates[who] = template_of(person.vectors[:ENROLLED] if who in new else person.vectors)
        if who in new:
            rows[who] = template_of(embedder(np.stack(person.crops[:ENROLLED])))
    people = list(split.train)
    index = Gallery(
        people,
        np.stack([rows[who] for who in people]),
        np.stack([templates[who] for who in people]),
        fit(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([False, True]), COMPONENTS),
    )
    known = {who: one for who, one in split.validation.items() if who not in new}
    cosines, truth = compared(index, embedder, known)
    return replace(index, fusion=fit_gallery(cosines, truth, COMPONENTS))


def compared(
    index: Gallery, embedder: Embedder, people: dict[str, Person]
) -> tuple[np.ndarray, np.ndarray]:
    faces = labelled(people, list(index.identities))
    assert faces.teacher is not None
    return index.cosines(embedder(faces.images), faces.teacher), faces.classes


def found(
    index: Gallery, embedder: Embedder, people: dict[str, Person]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Which photos are named rightly, bool [n], and whose they are, int64 [n].

    Named by the ResNet alone, the recogniser alone, and both.
    """
    cosines, truth = compared(index, embedder, people)
    scores = [cosines[..., 0], cosines[..., 1], index.fusion(cosines)]
    return [ranks(one, truth) == 1 for one in scores], truth


def rank1(index: Gallery, embedder: Embedder, people: dict[str, Person]) -> list[float]:
    """Of the ResNet alone, the recogniser alone, and both."""
    return [float(one.mean()) for one in found(index, embedder, people)[0]]


def known_by(folder: Path, split: Split) -> list[float]:
    """Rank-1 with a model: the ResNet alone, and of the further photos; the recogniser; both."""
    embedder = Embedder(folder)
    index = gallery(embedder, split, [])
    alone, *others = rank1(index, embedder, split.test)
    return [alone, rank1(index, embedder, split.more)[0], *others]


# --- The recipe of transformers' example ---------------------------------------------------------


class Decoded(torch.utils.data.Dataset):
    """JPEG to tensor, face by face: RandomResizedCrop (0.08 to 1), flip, normalise."""

    def __init__(self, faces: LabelledFaces, preprocessing: Preprocessing) -> None:
        self.data = []
        for image in faces.images:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "JPEG", quality=95)
            self.data.append(buffer.getvalue())
        self.classes = faces.classes
        self.preprocessing = preprocessing
        self.random = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = Image.open(io.BytesIO(self.data[index])).convert("RGB")
        share, ratio = self.random.uniform(0.08, 1), np.exp(self.random.uniform(-0.29, 0.29))
        width = min(image.width, round(image.width * (share * ratio) ** 0.5))
        height = min(image.height, round(image.height * (share / ratio) ** 0.5))
        left = self.random.integers(image.width - width + 1)
        top = self.random.integers(image.height - height + 1)
        size = self.preprocessing.size
        box = (left, top, left + width, top + height)
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
        if self.random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = self.preprocessing(np.array(image)[None])[0]
        return {"pixel_values": pixels, "labels": int(self.classes[index])}


def stock(
    split: Split, plan: TrainingPlan, folder: Path, *callbacks: TrainerCallback
) -> tuple[float, float]:
    """Train by the example's recipe, with our learning rate and epochs.

    Returns:
        The seconds, and rank-1 of its logits on the test photos.
    """
    people = list(split.train)
    set_seed(0)
    processor = image_processor(plan.backbone)
    faces = labelled(split.train, people)
    model, _ = load_backbone(plan.backbone, {who: who for who in people})
    rows = Decoded(faces, Preprocessing.of(processor))
    started = time.perf_counter()
    Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=plan.epochs,
            per_device_train_batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no",
            dataloader_pin_memory=False,
        ),
        train_dataset=rows,
        callbacks=list(callbacks),
    ).train()
    seconds = time.perf_counter() - started
    probes = labelled(split.test, people)
    with torch.inference_mode():
        logits = model.eval()(rows.preprocessing(probes.images)).logits.numpy()
    return seconds, float((logits.argmax(1) == probes.classes).mean())


# --- Tables --------------------------------------------------------------------------------------


def rate(right: np.ndarray, whose: np.ndarray) -> str:
    """A share in percent with its 95% interval, by person."""
    low, high = interval_of_share(right, whose)
    return f"{100 * right.mean():.1f}\n{100 * low:.1f} to {100 * high:.1f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def known_people(split: Split, plan: TrainingPlan, home: Path) -> Table:
    """The same network three ways, and what the recogniser adds."""
    photos = sum(len(one.crops) for one in split.more.values())
    columns = right("minutes", "ResNet alone", f"of {photos} more", "recogniser alone", "fused")
    table = Table("training", *columns, title=f"{len(split.train)} known people, rank-1")

    def row(name: str, folder: Path, seconds: float) -> None:
        table.add_row(name, f"{seconds / 60:.1f}", *map(percent, known_by(folder, split)))

    row("none: means by the bundled backbone", imprinted(split, plan, home / "none"), 0)
    for name, backbone in (
        ("the bundled backbone", BUNDLED_BACKBONE),
        ("random weights", SMALL_BACKBONE),
    ):
        folder = home / f"known-{backbone}"
        row(f"from {name}", folder, trained(split, replace(plan, backbone=backbone), folder))
    seconds, found = stock(split, plan, home / "stock")
    table.add_row("transformers' example, bundled", f"{seconds / 60:.1f}", percent(found))
    return table


def imprinted(split: Split, plan: TrainingPlan, folder: Path) -> Path:
    """The backbone as it is, with everybody's mean for a row; its folder."""
    people = list(split.train)
    processor = image_processor(plan.backbone)
    labels = {who: who for who in people}
    net = start_of(labelled(split.train, people), labels, plan, Preprocessing.of(processor))
    net.export(folder, 1.0, processor)
    return folder


class Kept(Blender):
    """Keeps what a training ends with."""

    last: Blender

    def __init__(self, before: TwinNet, after: TwinNet, lessons: Lessons) -> None:
        super().__init__(before, after, lessons)
        Kept.last = self


def endings(split: Split, plan: TrainingPlan, home: Path, learnt: Sequence[str]) -> dict[str, Path]:
    """One training, ended in several ways: the folders."""
    chosen: list[float] = []
    with patch.object(blending, "Blender", Kept):
        fine_tune(
            labelled(split.train, learnt),
            labelled(split.validation, learnt),
            {who: who for who in learnt},
            plan,
            home / "ended",
            on_choice=lambda choice: chosen.append(choice.share),
        )
    lessons, processor = Kept.last.lessons, image_processor(plan.backbone)
    folders = {}

    def end(name: str, share: float, metric: bool = True) -> None:
        folders[name] = home / f"ended-{len(folders)}"
        with nullcontext() if metric else patch.object(TwinNet, "fit_metric"):
            net = Kept.last.blend(share, lessons.learnt, lessons.newcomers)
        net.export(folders[name], plan.objective.scale, processor)

    end("none: the backbone", 0, metric=False)
    end("none, with the metric", 0)
    end("fine-tuned weights", 1, metric=False)
    for share in SHARES:
        end(f"{share:.0%} of them, with the metric", share)
    folders[f"as it is: {chosen[0]:.0%}, by newcomers" if chosen else "as it is"] = home / "ended"
    return folders


def new_people(split: Split, plan: TrainingPlan, home: Path) -> Table:
    """Five people whom the fine-tuning never saw, enrolled with 20 photos, by several endings."""
    people = list(split.train)
    new = [str(who) for who in np.random.default_rng(0).choice(people, NEW, replace=False)]
    parts = {
        "known": {who: one for who, one in split.test.items() if who not in new},
        "new": {who: one for who, one in split.test.items() if who in new},
        "known, more": {who: one for who, one in split.more.items() if who not in new},
        "new, more": {who: one for who, one in split.more.items() if who in new},
    }
    names = [f"{name} ({sum(len(one.crops) for one in of.values())})" for name, of in parts.items()]
    table = Table(
        "how a training ends",
        *right(*names, "known, both", "new, both"),
        title=f"{NEW} new people among all {len(people)}, ResNet alone and both, rank-1",
        show_lines=True,
    )
    for name, folder in endings(split, plan, home, [w for w in people if w not in new]).items():
        embedder = Embedder(folder)
        index = gallery(embedder, split, new)
        asked = [found(index, embedder, of) for of in parts.values()]
        alone = [rate(right[0], whose) for right, whose in asked]
        table.add_row(name, *alone, *(rate(right[2], whose) for right, whose in asked[:2]))
    return table


def dirty_people(plan: TrainingPlan, home: Path) -> Table:
    """A dirty collection: a fifth of each person's images asked about, by the name they have."""
    looked = look([DIRTY], POOL)
    asked = {one.seen.image for one in looked if int(one.seen.image[:8], 16) % 5 == 0}
    table = Table(
        "images",
        *right("known", "asked about", "ResNet alone", "recogniser alone", "fused"),
        title="A dirty collection, rank-1",
    )

    def parted(some: list[Inspection]) -> tuple[dict[str, Person], dict[str, Person]]:
        known, probes = (
            people_of([one for one in some if (one.seen.image in asked) is side])
            for side in (False, True)
        )
        return known, {who: one for who, one in probes.items() if who in known}

    def row(name: str, known: dict[str, Person], probes: dict[str, Person], *figures: str) -> None:
        count = [sum(len(one.crops) for one in people.values()) for people in (known, probes)]
        table.add_row(name, *map(str, count), *figures)

    for name, ways in (
        ("as they are, not aligned", [whole(one) for one in looked]),
        ("as they are", [one if one.seen.vector is not None else whole(one) for one in looked]),
    ):
        known, probes = parted(ways)
        faces = labelled(probes, list(known))
        assert faces.teacher is not None
        templates = np.stack([template_of(one.vectors) for one in known.values()])
        found = (ranks(faces.teacher @ templates.T, faces.classes) == 1).mean()
        row(name, known, probes, "", percent(float(found)), "")

    known, probes = parted(cleaned(looked))
    split = Split.of(known, probes)
    trained(split, plan, home / "dirty")
    embedder = Embedder(home / "dirty")
    figures = rank1(gallery(embedder, split, []), embedder, split.test)
    row("cleaned", known, probes, *map(percent, figures))
    return table


def whole(one: Inspection) -> Inspection:
    """As the recogniser sees the whole image, whether or not a face is found in it."""
    (vector,) = load_recogniser()([read_image(one.picture)])
    return replace(one, seen=replace(one.seen, vector=vector))


class Ends(TrainerCallback):
    """When each epoch ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())


def throughput(split: Split, plan: TrainingPlan, home: Path, repeats: int) -> Table:
    """Faces a second from the end of the first epoch to the end of the third, both ways in turns;
    the share of the machine's rate; and how many are embedded a second.
    """
    once = replace(plan, epochs=3)
    faces = sum(len(one.crops) for one in split.train.values())
    rates: dict[str, list[float]] = {"ours": [], "transformers' example": []}
    nobody = replace(split, validation={who: part(p, 0, 1) for who, p in split.train.items()})
    rate = 0.0
    for number in range(repeats):
        rate = max(rate, matrix_rate())
        times: list[float] = []
        trained(
            nobody,
            once,
            home / f"a{number}",
            on_epoch=lambda _, times=times: times.append(time.perf_counter()),
        )
        ends = Ends()
        stock(split, once, home / f"b{number}", ends)
        for name, ended in zip(rates, (times, ends.times), strict=True):
            rates[name].append(faces * (len(ended) - 1) / (ended[-1] - ended[0]))
    ours, theirs = (statistics.median(values) for values in rates.values())
    frozen, whole = (flops_a_face(one, split) for one in (plan, replace(plan, frozen_stages=0)))
    table = Table("recipe", *right("faces/s", "GFLOP/s", "of the rate of a matrix product"))
    ways = (("ours", ours, frozen), ("transformers' example", theirs, whole))
    for name, value, operations in ways:
        reached = value * operations
        table.add_row(name, f"{value:.0f}", f"{reached / 1e9:.0f}", percent(reached / rate))
    table.title = f"Training throughput: {ours / theirs:.2f} times the example's"
    table.caption = f"Inference: {inference_rate(Embedder(home / 'a0'), split):.0f} faces/s."
    return table


def inference_rate(embedder: Embedder, split: Split) -> float:
    """Faces a second through the ResNet, from decoded pixels to embeddings."""
    faces = labelled(split.test, list(split.train)).images
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        embedder(faces)
        seconds.append(time.perf_counter() - started)
    return len(faces) / statistics.median(seconds)


def flops_a_face(plan: TrainingPlan, split: Split) -> float:
    """Floating-point operations of a step, a face: forward and backward."""
    few = labelled({who: part(one, 0, 1) for who, one in split.train.items()}, list(split.train))
    preprocessing = Preprocessing.of(image_processor(plan.backbone))
    net = start_of(few, {who: who for who in split.train}, plan, preprocessing)
    net.train()
    with FlopCounterMode(display=False) as counter:
        net.embed(preprocessing(few.images)).sum().backward()
    return counter.get_total_flops() / len(few)


def matrix_rate() -> float:
    """Floating-point operations a second of a product of two 1024 x 1024 matrices, at best."""
    one = torch.randn(1024, 1024)
    seconds = []
    for _ in range(30):
        started = time.perf_counter()
        one @ one
        seconds.append(time.perf_counter() - started)
    return 2 * 1024**3 / min(seconds)


def one_person_more(split: Split, plan: TrainingPlan, home: Path) -> Table:
    """All people at once, beside all but one and then that one by training on; three times."""
    from twin_matcher_dagster.training.start import refining

    people = list(split.train)
    photos = sum(len(one.crops) for one in split.more.values())
    table = Table("training", *right("minutes", "ResNet alone", f"of {photos} more", "fused"))

    def row(name: str, folder: Path, seconds: float) -> None:
        alone, more, _, fused = known_by(folder, split)
        table.add_row(name, f"{seconds / 60:.1f}", *map(percent, (alone, more, fused)))

    full = trained(split, plan, home / "full")
    row("everybody anew", home / "full", full)
    shares = []
    for number in range(0, len(people), len(people) // NEWCOMERS)[:NEWCOMERS]:
        who = people[number]
        before, more = home / f"before-{who}", home / f"more-{who}"
        trained(split, plan, before, [one for one in people if one != who])
        seconds = trained(split, replace(refining(plan), backbone=str(before)), more)
        row(f"person {number + 1} last, by training on", more, seconds)
        shares.append(seconds / full)
    median = statistics.median(shares)
    table.title = f"One person more: {percent(median)} of the time of a full training (median)"
    return table


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--epochs", type=int, default=PLAN.epochs)
    options.add_argument(
        "--only", choices=("known", "new", "dirty", "throughput", "more"), help="one table alone"
    )
    arguments = options.parse_args()
    if not DATA.is_dir():
        CONSOLE.print("bench_model: left out, the real faces of ../shared/data are not here.")
        return
    plan = replace(PLAN, epochs=arguments.epochs)
    split = Split.of(*read(DATA, POOL))
    with tempfile.TemporaryDirectory() as folder:
        tables: dict[str, Callable[[], Table]] = {
            "known": lambda: known_people(split, plan, Path(folder)),
            "new": lambda: new_people(split, plan, Path(folder)),
            "dirty": lambda: dirty_people(plan, Path(folder)),
            "throughput": lambda: throughput(split, plan, Path(folder), 3),
            "more": lambda: one_person_more(split, plan, Path(folder)),
        }
        for name, table in tables.items():
            if arguments.only in (None, name):
                CONSOLE.print(table())


if __name__ == "__main__":
    main()
