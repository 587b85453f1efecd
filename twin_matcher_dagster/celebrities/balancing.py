"""From a cleaned, very uneven collection to about the same number of faces an identity."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from twin_matcher_dagster.dataset.identity import best_spelling
from twin_matcher_dagster.dataset.schema import Face, Split


@dataclass(frozen=True)
class BalancePlan:
    """How to balance.

    Attributes:
        train_faces: faces an identity in the training split, at most.
        held_out_faces: faces an identity in each of the validation and test splits, at most.
        held_out_share: share of an identity's photos in each of these, at most; but one of each
            where that leaves ``min_faces`` to train on, and two thirds of the photos.
        min_faces: identities with fewer faces to train on are left out. Nothing is held out that
            would bring an identity below it.
        seed: the choice among an identity's photos is random and repeatable. Choosing for variety
            of pose did not help (`benchmarks/bench_choice.py`).
    """

    train_faces: int = 85
    held_out_faces: int = 10
    held_out_share: float = 0.12
    min_faces: int = 8
    seed: int = 0

    def held_out(self, photos: int, clean: int, has_own_test: bool = False) -> tuple[int, int]:
        """How many faces of an identity are held out: to test, and to validate on.

        Args:
            photos: that the source does not hold out.
            clean: how many faces on them may be learnt from.
            has_own_test: whether the source holds out others.
        """
        count = min(self.held_out_faces, max(1, int(self.held_out_share * photos)))
        spare = max(0, min(clean - self.min_faces, photos // 3))
        tested = 0 if has_own_test else min(count, spare)
        return tested, min(count, spare - tested)

    def faces_to_train(self, photos: int, has_own_test: bool = False) -> int:
        """How many faces an identity has to train on, at most; arguments as above."""
        return min(self.train_faces, photos - sum(self.held_out(photos, photos, has_own_test)))


@dataclass(frozen=True)
class Candidate:
    """A face that may be chosen.

    Attributes:
        face: as it will be stored, but for the split and the spelling of the name.
        image: SHA-256 of the raw image.
        photo: number of the photo: all faces of one go to one split.
        held_out: whether the source itself holds it out for tests.
        clean: whether cleaning left it; another one may be held out, and nothing else.
    """

    face: Face
    image: str
    photo: int
    held_out: bool
    clean: bool = True


@dataclass
class BalanceReport:
    """What balancing kept and what it left out.

    Attributes:
        kept: faces by label.
        too_few: faces to train on, by label, of identities that are left out for having too few.
        unused: faces of the others that are more than wanted.
    """

    kept: Counter[str] = field(default_factory=Counter)
    too_few: dict[str, int] = field(default_factory=dict)
    unused: int = 0


def balance(
    candidates: Iterable[Candidate], plan: BalancePlan, report: BalanceReport
) -> Iterator[Candidate]:
    """Choose and split the faces of all identities, by photo.

    The photos to test on are drawn before those are left out that are not clean: else the question
    would be asked of faces alone that the recogniser knew. They come with the split "test" as well.
    A photo that the source holds out stays in the test split. What is chosen of a photo depends on
    the seed and the photo alone: more photos of somebody push some out, and change no others.

    Args:
        candidates: faces, in any order.
        plan: how many to keep.
        report: filled in as faces are taken.

    Yields:
        The chosen ones with their split, identity by identity.
    """
    groups: dict[str, list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(one.face.identity_id, []).append(one)
    held_out = {one.photo for group in groups.values() for one in group if one.held_out}
    for _, group in sorted(groups.items()):
        label = best_spelling(one.face.label for one in group)
        chosen = _choose(group, held_out, plan)
        trained = sum(split == "train" for _, split in chosen)
        if trained < plan.min_faces:
            report.too_few[label] = trained
            continue
        clean = sum(one.clean for one, _ in chosen)
        report.kept[label] += clean
        report.unused += sum(one.clean for one in group) - clean
        for one, split in chosen:
            yield replace(one, face=replace(one.face, label=label, split=split))


def _choose(
    group: Sequence[Candidate], held_out: set[int], plan: BalancePlan
) -> list[tuple[Candidate, Split]]:
    """Take an identity's photos in an order drawn by lot until every split is full."""
    photos: dict[int, list[Candidate]] = {}
    for one in sorted(group, key=lambda one: _lot(plan.seed, one.image)):
        photos.setdefault(one.photo, []).append(one)
    own_test = [photo for number, photo in photos.items() if number in held_out]
    free = [photo for number, photo in photos.items() if number not in held_out]
    clean = sum(one.clean for photo in free for one in photo)
    tested, validated = plan.held_out(len(free), clean, bool(own_test))
    wanted: tuple[tuple[Split, int, list[list[Candidate]]], ...] = (
        ("test", len(group) if own_test else tested, own_test or free),
        ("validation", validated, free),
        ("train", plan.train_faces, free),
    )
    chosen: list[tuple[Candidate, Split]] = []
    for split, most, pool in wanted:
        taken: list[Candidate] = []
        while pool and len(taken) < most:
            taken += [one for one in pool.pop(0) if one.clean or split == "test"]
        chosen += [(one, split) for one in taken[:most]]
    return chosen


def _lot(seed: int, image: str) -> bytes:
    return hashlib.sha256(f"{seed} {image}".encode()).digest()
