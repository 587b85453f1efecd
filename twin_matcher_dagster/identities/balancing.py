"""From a raw, very uneven collection to the same number of faces an identity."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from twin_matcher_dagster.identities.names import best_spelling, celebrity_id, tidy
from twin_matcher_dagster.identities.schema import Face, RawFace, Split


@dataclass(frozen=True)
class BalancePlan:
    """How to balance.

    Attributes:
        train_faces: faces an identity in the training split, at most.
        held_out_faces: faces an identity in each of the validation and test splits, at most.
        held_out_share: share of an identity's faces in each of these, at most.
        min_faces: identities with fewer faces to train on are left out.
        seed: the choice among an identity's faces is random and repeatable.
    """

    train_faces: int = 85
    held_out_faces: int = 10
    held_out_share: float = 0.12
    min_faces: int = 8
    seed: int = 0


@dataclass
class BalanceReport:
    """What balancing kept and what it left out, by reason."""

    kept: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def balance(
    rows: Iterable[RawFace],
    crop: Callable[[bytes], bytes | None],
    plan: BalancePlan,
    report: BalanceReport,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[Face]:
    """Choose, crop and split the faces of all identities.

    Labels that differ in case, underscores and spaces are one identity. Rows with the very same
    image are used once. Every row is one photo, so that a split by row is a split by photo; rows
    that the source itself calls ``test`` stay in the test split.

    Args:
        rows: the raw faces.
        crop: gives the encoded 160 x 160 crop of an encoded image, or None if it shows no face.
        plan: how many to keep.
        report: filled in as faces are taken.
        progress: called with the share of identities that is done.

    Yields:
        Faces, identity by identity.
    """
    groups = _group(rows, report)
    for done, (identity_id, group) in enumerate(sorted(groups.items())):
        progress(done / len(groups))
        label = best_spelling(row.label for row in group)
        faces = _choose(group, crop, plan, report)
        if sum(split == "train" for _, split in faces) < plan.min_faces:
            report.dropped["identity with too few faces"] += len(faces)
            continue
        report.kept[label] += len(faces)
        for image, split in faces:
            yield Face(image, label, identity_id, "celebrity", "", split)
    progress(1.0)


def _group(rows: Iterable[RawFace], report: BalanceReport) -> dict[str, list[RawFace]]:
    """Rows by identity, without rows that cannot be used and exact duplicates."""
    groups: dict[str, list[RawFace]] = {}
    seen: set[bytes] = set()
    for row in rows:
        digest = hashlib.sha256(row.image).digest()
        if not row.image:
            report.dropped["no image"] += 1
        elif not tidy(row.label):
            report.dropped["no label"] += 1
        elif digest in seen:
            report.dropped["same image again"] += 1
        else:
            seen.add(digest)
            groups.setdefault(celebrity_id(row.label), []).append(row)
    return groups


def _choose(
    group: list[RawFace],
    crop: Callable[[bytes], bytes | None],
    plan: BalancePlan,
    report: BalanceReport,
) -> list[tuple[bytes, Split]]:
    """Draw an identity's faces in random order until every split is full."""
    order = list(group)
    random.Random(plan.seed).shuffle(order)  # noqa: S311 - a repeatable choice, not a secret
    own_test = [row for row in order if row.split == "test"]
    free = [row for row in order if row.split != "test"]
    held_out = min(plan.held_out_faces, int(plan.held_out_share * len(free)))
    wanted: list[tuple[Split, int, list[RawFace]]] = [
        ("test", len(own_test) or held_out, own_test or free),
        ("validation", held_out, free),
        ("train", plan.train_faces, free),
    ]
    chosen: list[tuple[bytes, Split]] = []
    for split, count, pool in wanted:
        taken = 0
        while pool and taken < count:
            image = crop(pool.pop(0).image)
            if image is None:
                report.dropped["no face"] += 1
                continue
            chosen.append((image, split))
            taken += 1
    report.dropped["more than wanted"] += len(free)
    return chosen
