"""Are there people enough to tell apart? If not: who was left out, why, and what changes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from twin_matcher_dagster.faces.sameness import ONE_PERSON, Sameness
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion

FEWEST_PEOPLE = 2
"""A training tells people apart."""
_SHOWN = 10


def pairs_of_one_person(
    centres: Mapping[str, np.ndarray], sameness: Sameness, limit: float = ONE_PERSON
) -> list[tuple[str, str, float]]:
    """Pairs of identities that may be one person under two names, with their sameness.

    Args:
        centres: float32 [128] by identity id, unit length.
        sameness: how they are compared.
        limit: from where on.
    """
    if not centres:
        return []
    names, stacked = sorted(centres), np.stack([centres[who] for who in sorted(centres)])
    table = sameness(stacked, stacked)
    return [
        (names[one], names[other], float(table[one, other]))
        for one, other in np.argwhere(np.triu(table >= limit, 1))
    ]


def different_people(people: Collection[str], alike: Sequence[tuple[str, str, float]]) -> int:
    """How many people there are, where some names may be one person's.

    Args:
        people: identity ids.
        alike: of :func:`pairs_of_one_person`.
    """
    group = {who: who for who in people}
    for one, other, _ in alike:
        if one in group and other in group:
            old, new = group[one], group[other]
            group = {who: new if mark == old else mark for who, mark in group.items()}
    return len(set(group.values()))


def headcount_in_words(
    balanced: BalancedVersion,
    names: Mapping[str, str],
    waiting: Sequence[str],
    alike: Sequence[tuple[str, str, float]],
) -> str:
    """Who is left, who was left out and why, and which setting changes it.

    Args:
        balanced: the version.
        names: identity id -> name of everybody who is left.
        waiting: names that may be two people's each.
        alike: of :func:`pairs_of_one_person`, among who is left.
    """
    left = f"{len(names)} of {len(balanced.images)} names are left"
    different = different_people(names, alike)
    if different < len(names):
        left += f", of {different} different people"
    enough = different >= FEWEST_PEOPLE
    parts = [f"{left}." if enough else f"{left}, and training needs {FEWEST_PEOPLE} people."]
    if balanced.too_few:
        parts.append(too_few_in_words(balanced.too_few, balanced.min_faces, len(names)))
    if waiting:
        parts.append(
            f"{len(waiting)} may be two people each, and wait for a person's word: "
            f"{_listed(waiting)}. Look at both groups in the metadata of balanced_faces, or in the "
            "page that `twin-matcher review export table.csv` writes; fill in `keep` at one photo "
            "of the right group (or of both), import the table, and launch the job `celebrities`."
        )
    if alike:
        pairs = [f"{names[one]} and {names[other]} ({same:.2f})" for one, other, same in alike]
        parts.append(
            f"One person under two names, by a sameness from {ONE_PERSON} on? {_listed(pairs)}. If "
            "so, fill in `label=NAME` at their photos in the table of `twin-matcher review export "
            "table.csv`, import it, and launch the job `celebrities`."
        )
    if not enough and not (balanced.too_few or waiting or alike):
        parts.append("Set RAW_FACES to more people.")
    return " ".join(parts)


def too_few_in_words(too_few: Mapping[str, int], limit: int, left: int) -> str:
    """Who has fewer faces than are asked for, and how many are to be asked for instead.

    Args:
        too_few: name -> faces to train on; at least one.
        limit: MIN_FACES.
        left: how many others there are.
    """
    counts = sorted(too_few.values(), reverse=True)
    few = f"{counts[-1]} to {counts[0]}" if counts[-1] < counts[0] else f"{counts[0]}"
    shown = [f"{name} ({count})" for name, count in sorted(too_few.items())]
    verb, noun = "has" if len(counts) == 1 else "have", "face" if few == "1" else "faces"
    told = f"{len(counts):,} {verb} {few} {noun} to train on, fewer than MIN_FACES={limit}"
    told = f"{told}: {_listed(shown)}."
    # So many that half of them come in, or as many as a training needs.
    wanted = counts[: max(FEWEST_PEOPLE - left, (len(counts) + 1) // 2)]
    usable = [count for count in wanted if count]
    if len(usable) < FEWEST_PEOPLE - left:
        return f"{told} Add photos of them to RAW_FACES."
    if not usable:
        return told
    kept = sum(count >= usable[-1] for count in counts)
    return (
        f"{told} With MIN_FACES={usable[-1]} {kept:,} of them come in; or add photos to RAW_FACES."
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
