"""Claim: which of an identity's photos are learned matters little; a random choice is as good.

Three ways of choosing the same number of photos of everybody: at random; round-robin over cells of
15 by 15 degrees of yaw and pitch, the sharpest of a cell first; farthest point first over yaw and
pitch (Gonzalez 1985). All choose from one cleaned pool. Measured on the held-out faces: SFace with
the mean of the chosen photos, and the small ResNet trained on them from random weights.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.celebrities.cleaning import CleaningLimits, People, find_errors
from twin_matcher_dagster.celebrities.inspection import Inspection, inspect
from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.dataset.schema import RawFace
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan

DATA = PROJECT_ROOT.parent / "shared" / "data" / "celebs"
COUNTS = (5, 10, 20, 85)
TRAINED_COUNT = 40
SEEDS = 10
TRAINED_SEEDS = 3
POOL = 250
CELL = 15.0
TURNED = 20.0
CONSOLE = Console(width=110)


@dataclass(frozen=True)
class Person:
    """One identity's pool: vectors [n, 128], crops, angles [n, 2] in degrees, sharpness [n]."""

    vectors: np.ndarray
    crops: list[np.ndarray]
    angles: np.ndarray
    sharpness: np.ndarray


Way = Callable[[Person, int, np.random.Generator], np.ndarray]


def at_random(person: Person, count: int, random: np.random.Generator) -> np.ndarray:
    return random.permutation(len(person.crops))[:count]


def by_cell(person: Person, count: int, random: np.random.Generator) -> np.ndarray:
    order = random.permutation(len(person.crops))
    order = order[np.argsort(-person.sharpness[order], kind="stable")]
    cells: dict[tuple[int, int], list[int]] = {}
    for i in order:
        yaw, pitch = np.round(person.angles[i] / CELL).astype(int)
        cells.setdefault((int(yaw), int(pitch)), []).append(int(i))
    chosen: list[int] = []
    while len(chosen) < min(count, len(order)):
        chosen += [cell.pop(0) for cell in cells.values() if cell]
    return np.array(chosen[:count])


def farthest(person: Person, count: int, random: np.random.Generator) -> np.ndarray:
    chosen = [int(random.integers(len(person.crops)))]
    apart = np.full(len(person.crops), np.inf)
    while len(chosen) < min(count, len(person.crops)):
        apart = np.minimum(apart, np.linalg.norm(person.angles - person.angles[chosen[-1]], axis=1))
        apart[chosen] = -1
        chosen.append(int(apart.argmax()))
    return np.array(chosen)


WAYS: dict[str, Way] = {
    "at random": at_random,
    "cells of yaw and pitch": by_cell,
    "farthest point": farthest,
}


def read(folder: Path, at_most: int) -> tuple[dict[str, Person], dict[str, Person]]:
    """The celebrities' cleaned faces, to learn from and to test on, at most so many raw images of
    each an identity. One cleaning for both: alone, ten photos of a name do not tell two people."""
    faces = cleaned(look([folder / f"{part}.parquet" for part in ("train", "test")], at_most))
    train, test = (
        people_of([one for one in faces if one.seen.split == part]) for part in ("train", "test")
    )
    return train, test


def look(paths: Sequence[Path], at_most: int) -> list[Inspection]:
    """The images of some files, drawn by lot, at most so many of each an identity."""
    rows = []
    for path in paths:
        raw = parquet.read_table(path).to_pylist()
        order = np.random.default_rng(0).permutation(len(raw))
        taken: dict[str, int] = {}
        for i in order:
            label = tidy(raw[i]["label"])
            taken[label] = taken.get(label, 0) + 1
            if taken[label] <= at_most:
                rows.append(RawFace(raw[i]["image"]["bytes"], label, path.stem))
    return inspect(rows)


def cleaned(looked: list[Inspection]) -> list[Inspection]:
    """Those that cleaning finds nothing wrong with; of two people under one name the first group,
    as if a person had kept it."""
    seen = [one.seen for one in looked]
    usable = [one for one in seen if one.vector is not None]
    word = {
        next(one.image for one in usable if one.identity_id == who and two.group_of(one) == 0)
        for who, two in People.of(usable, CleaningLimits(), load_sameness()).namesakes.items()
    }
    wrong = {(one.image, one.identity_id) for one in find_errors(seen, kept=word)}
    return [
        one
        for one in looked
        if one.seen.vector is not None and (one.seen.image, one.seen.identity_id) not in wrong
    ]


def people_of(faces: list[Inspection]) -> dict[str, Person]:
    groups: dict[str, list[Inspection]] = {}
    for one in faces:
        groups.setdefault(one.seen.identity_id, []).append(one)
    return {
        who: Person(
            np.stack([one.seen.vector for one in group if one.seen.vector is not None]),
            [read_image(one.picture) for one in group],
            np.array([(one.yaw, one.pitch) for one in group]),
            np.array([one.quality for one in group]),
        )
        for who, group in sorted(groups.items())
    }


def with_sface(pool: dict[str, Person], probes: dict[str, Person], table: Table) -> None:
    vectors = np.concatenate([one.vectors for one in probes.values()])
    turned = np.concatenate([np.abs(one.angles[:, 0]) > TURNED for one in probes.values()])
    truth = np.repeat(
        [list(pool).index(who) for who in probes], [len(p.crops) for p in probes.values()]
    )
    for count in COUNTS:
        for name, way in WAYS.items():
            rank1, similarity, turned_similarity = [], [], []
            for seed in range(SEEDS):
                random = np.random.default_rng(seed)
                means = np.stack(
                    [template_of(one.vectors[way(one, count, random)]) for one in pool.values()]
                )
                scores = vectors @ means.T
                own = scores[np.arange(len(truth)), truth]
                rank1.append(float((scores.argmax(1) == truth).mean()))
                similarity.append(float(own.mean()))
                turned_similarity.append(float(own[turned].mean()))
            table.add_row(
                "SFace",
                str(count),
                name,
                spread(rank1, 100),
                spread(similarity),
                spread(turned_similarity),
            )


def with_training(pool: dict[str, Person], probes: dict[str, Person], table: Table) -> None:
    images = np.stack([crop for one in probes.values() for crop in one.crops])
    turned = np.concatenate([np.abs(one.angles[:, 0]) > TURNED for one in probes.values()])
    truth = np.repeat(list(probes), [len(one.crops) for one in probes.values()])
    nobody = LabelledFaces(np.zeros((0, *images.shape[1:]), np.uint8), np.zeros(0, np.int64))
    for name, way in WAYS.items():
        right, right_turned = [], []
        for seed in range(TRAINED_SEEDS):
            random = np.random.default_rng(seed)
            chosen = [
                [one.crops[i] for i in way(one, TRAINED_COUNT, random)] for one in pool.values()
            ]
            classes = np.repeat(np.arange(len(chosen)), [len(part) for part in chosen])
            train = LabelledFaces(np.stack([crop for part in chosen for crop in part]), classes)
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary) / "model"
                fine_tune(
                    train, nobody, {who: who for who in pool}, TrainingPlan(seed=seed), folder
                )
                embedder = Embedder(folder)
                scores = embedder(images) @ embedder.rows.T
            hit = np.array(embedder.identities)[scores.argmax(1)] == truth
            right.append(float(hit.mean()))
            right_turned.append(float(hit[turned].mean()))
        table.add_row(
            "small ResNet",
            str(TRAINED_COUNT),
            name,
            spread(right, 100),
            "",
            spread(right_turned, 100),
        )


def spread(values: list[float], scale: float = 1.0) -> str:
    """Mean and standard deviation over the seeds."""
    mean, deviation = statistics.mean(values) * scale, statistics.pstdev(values) * scale
    return f"{mean:.1f} ± {deviation:.1f}" if scale > 1 else f"{mean:.3f} ± {deviation:.3f}"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--train", action="store_true", help="the ResNet too: 15 minutes more")
    arguments = options.parse_args()
    if not DATA.is_dir():
        CONSOLE.print("bench_choice: left out, the real faces of ../shared/data are not here.")
        return
    pool, probes = read(DATA, POOL)
    probes = {who: one for who, one in probes.items() if who in pool}
    right = [
        Column(n, justify="right")
        for n in ("rank-1, %", "own cosine", f"turned over {TURNED:.0f}°")
    ]
    table = Table("by", "photos", "chosen", *right)
    with_sface(pool, probes, table)
    if arguments.train:
        with_training(pool, probes, table)
    faces = sum(len(one.crops) for one in pool.values())
    turned = sum(int((np.abs(one.angles[:, 0]) > TURNED).sum()) for one in probes.values())
    held_out = sum(len(one.crops) for one in probes.values())
    CONSOLE.print(
        f"{len(pool)} people, a pool of {faces} photos, {held_out} held-out faces, {turned} turned"
    )
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
