"""Claim: whom a visitor is told of as a long-lost twin is alike on another day, too.

Visitors are strangers with two photos each (LFW). By the first photos everybody's nearest other is
found, as ``twins.pairs`` finds it, in the likeness space of a release of photos; by the second ones
it is asked how alike the same two are. Compared are limits, and how many visitors there are: the
more, the more alike somebody is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from bench_choice import DATA
from bench_choice import read as read_celebrities
from bench_model import CONSOLE, Split
from bench_twins import POOL, Strangers
from rich.table import Table

from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.faces.cohort import cohort_crops
from twin_matcher_dagster.faces.likeness_network import load_likeness_network
from twin_matcher_dagster.recognition.likeness import LikenessSpace, make_space
from twin_matcher_dagster.recognition.likeness_metric import fit_metric

LIMITS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)
CROWDS = (20, 50, 200, 524)
DRAWS = 50
ALIKE, VERY_ALIKE = 0.8, 0.95
"""Share of pairs that are less alike from which two are called so (``likeness_in_words``)."""


def space_of(data: Path) -> LikenessSpace:
    """The space of a release of photos."""
    split = Split.of(*read_celebrities(data / "celebs", POOL))
    network = load_likeness_network()
    vectors = {who: network(one.crops) for who, one in split.train.items()}
    held_out = {who: network(one.crops) for who, one in split.test.items()}
    cohort = network(cohort_crops())
    metric = fit_metric(cohort, list(vectors.values()))
    places = {who: metric.template(one) for who, one in vectors.items()}
    return make_space(metric, places, cohort, held_out)


def two_photos(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of a first and of a second photo of each stranger, float32 [n, 128]."""
    people = Strangers.read(data / "strangers" / "people.parquet", [])
    by_person: dict[str, list[np.ndarray]] = {}
    for row, vector in zip(people.rows, people.seen.likeness, strict=True):
        by_person.setdefault(tidy(row["label"]), []).append(vector)
    some = [photos for photos in by_person.values() if len(photos) > 1]
    return np.stack([one[0] for one in some]), np.stack([one[1] for one in some])


def percentiles(space: LikenessSpace, vectors: np.ndarray) -> np.ndarray:
    """How alike any two of these are, 0 to 1: [n, n]; nobody is alike oneself."""
    places = space.metric.place(vectors)
    shares = np.searchsorted(space.quantiles, places @ places.T) / (len(space.quantiles) - 1)
    np.fill_diagonal(shares, -1)
    return np.minimum(shares, 1.0)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=DATA.parent, help="instead of ../shared/data")
    data = options.parse_args().data
    if not (data / "strangers").is_dir():
        CONSOLE.print("bench_pairs: left out, the real faces of ../shared/data are not here.")
        return
    space = space_of(data)
    first, second = (percentiles(space, one) for one in two_photos(data))
    others = ~np.eye(len(first), dtype=bool)
    CONSOLE.print(
        f"{len(first)} strangers, two photos each. Of all pairs, by one photo each, "
        + ", ".join(f"{(first[others] >= one).mean():.2%} at {one}" for one in LIMITS)
    )
    random = np.random.default_rng(0)
    table = Table("limit", *(f"{n} visitors" for n in CROWDS))
    table.title = "have a twin | of these alike by other photos | very alike by them, %"
    for limit in LIMITS:
        cells = []
        for count in CROWDS:
            told: list[float] = []
            again_alike: list[float] = []
            for _ in range(DRAWS):
                crowd = random.permutation(len(first))[:count]
                some, again = first[np.ix_(crowd, crowd)], second[np.ix_(crowd, crowd)]
                nearest = some.argmax(1)
                rows = np.arange(len(crowd))
                has = some[rows, nearest] >= limit
                told.append(has.mean())
                again_alike += list(again[rows, nearest][has])
            shares = [np.mean(np.array(again_alike) >= one) for one in (ALIKE, VERY_ALIKE)]
            cells.append(" | ".join(f"{100 * one:.0f}" for one in (np.mean(told), *shares)))
        table.add_row(f"{limit}", *cells)
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
