"""What would become of a source: who is read, who is left out and why, how long it takes."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from twin_matcher_dagster.celebrities.balancing import BalancePlan
from twin_matcher_dagster.celebrities.headcount import FEWEST_PEOPLE, too_few_in_words
from twin_matcher_dagster.celebrities.inspection import inspect
from twin_matcher_dagster.celebrities.sources import bytes_of, list_images
from twin_matcher_dagster.celebrities.sources.pictures import ListedImage
from twin_matcher_dagster.celebrities.sources.report import SourceReport, counted
from twin_matcher_dagster.dataset.identity import best_spelling, celebrity_id
from twin_matcher_dagster.dataset.schema import HELD_OUT, RawFace
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER

TRIED = 12
"""So many images are looked at, drawn by lot: enough for the seconds of each to 20%."""

_TRAINED_A_SECOND = 300
"""Faces in an epoch, on two cores; docs/measured.md, "Fine-tuning"."""


@dataclass(frozen=True)
class Prospect:
    """What would become of one person of a source.

    Attributes:
        name: as it will be shown.
        photos: how many there are.
        to_train: how many could be trained on, at most.
        left_out: why the person would be left out; empty where not.
    """

    name: str
    photos: int
    to_train: int
    left_out: str = ""


@dataclass(frozen=True)
class Survey:
    """What a dry reading of a source says.

    Attributes:
        report: what is read, and what is skipped.
        prospects: everybody, those with the most photos first.
        tried, with_face: how many images were looked at, and in how many there is a face.
        seconds_an_image: that looking at one took on this machine.
        epochs: of the training that would follow.
        min_faces: that a person has to have to train on.
    """

    report: SourceReport
    prospects: tuple[Prospect, ...]
    tried: int
    with_face: int
    seconds_an_image: float
    epochs: int
    min_faces: int

    @property
    def kept(self) -> list[Prospect]:
        """Who would be in the data set."""
        return [one for one in self.prospects if not one.left_out]

    @property
    def seconds(self) -> tuple[float, float]:
        """What it will take, about: to read and clean, and to train."""
        faces = sum(one.to_train for one in self.kept)
        reading = self.seconds_an_image * self.report.images
        return reading, faces * self.epochs / _TRAINED_A_SECOND

    @property
    def fate(self) -> str:
        """How many would be in the data set, and what changes it."""
        kept, everybody = len(self.kept), len(self.prospects)
        told = f"{kept:,} of {counted(everybody, 'person', 'people')} would be in the data set."
        few = {one.name: one.to_train for one in self.prospects if one.left_out and one.photos}
        return f"{told} {too_few_in_words(few, self.min_faces, kept)}" if few else told

    @property
    def trouble(self) -> str:
        """Why nothing could be learnt of it; empty where something can."""
        if len(self.kept) >= FEWEST_PEOPLE:
            return ""
        return f"{self.fate} To tell people apart takes {FEWEST_PEOPLE}."


def survey(
    source: str,
    sample: Path,
    epochs: int,
    plan: BalancePlan | None = None,
    recogniser: str = BUNDLED_RECOGNISER,
) -> Survey:
    """Read a source without keeping anything: files are listed, and a few images looked at.

    Args:
        source, sample: as for :func:`~twin_matcher_dagster.celebrities.sources.read_source`.
        epochs: of the training that would follow.
        plan: how it would be balanced.
        recogniser: the reference recogniser's name.

    Raises:
        SourceError: it cannot be read.
    """
    plan, report = plan or BalancePlan(), SourceReport()
    lot = random.Random(0)  # noqa: S311 - a choice, no secret
    free: Counter[str] = Counter()
    held_out: Counter[str] = Counter()
    drawn: list[ListedImage] = []
    with ExitStack() as stack:
        for number, one in enumerate(list_images(source, sample, report, stack)):
            report.take(one.label)
            (held_out if one.split in HELD_OUT else free)[celebrity_id(one.label)] += 1
            # Each is as likely to be among those drawn (Vitter 1985, algorithm R).
            place = number if number < TRIED else lot.randrange(number + 1)
            if place < TRIED:
                drawn[place : place + 1] = [one]
        rows = [
            RawFace(data, one.label, one.split)
            for one in drawn
            if (data := bytes_of(one, report)) is not None
        ]
    with_face, seconds = _tried(rows, recogniser)
    prospects = [
        _prospect(best_spelling(names.elements()), free[who], held_out[who], plan)
        for who, names in report.spellings.items()
    ]
    prospects += [Prospect(name, 0, 0, "has no photo") for name in report.empty]
    prospects.sort(key=lambda one: (-one.photos, one.name))
    return Survey(report, tuple(prospects), len(rows), with_face, seconds, epochs, plan.min_faces)


def _prospect(name: str, free: int, held_out: int, plan: BalancePlan) -> Prospect:
    to_train = plan.faces_to_train(free, has_own_test=held_out > 0)
    why = ""
    if to_train < plan.min_faces:
        faces = counted(to_train, "face")
        why = f"has {faces} to train on at most, and MIN_FACES asks for {plan.min_faces}"
    return Prospect(name, free + held_out, to_train, why)


def _tried(rows: list[RawFace], recogniser: str) -> tuple[int, float]:
    """In how many images there is a face, and the seconds that one takes."""
    inspect(rows[:1], recogniser)  # the networks are loaded once, however many images there are
    started = time.perf_counter()
    found = inspect(rows, recogniser)
    seconds = time.perf_counter() - started
    return sum(one.seen.vector is not None for one in found), seconds / max(1, len(rows))
