"""Claim: who is taken for whom depends less on what kind of face it is.

Pairs of two different people of one kind, of 8 kinds with some 200 strangers each, are compared by
the cosine of SFace, by what ships (the cosine less what both share with a rendered cohort), and by
other normalisations: textbook ones with the same cohort, what ships with one half of the strangers
as the cohort of the other half. Each way gets the limits at which as many pairs of all kinds
together are wrongly taken for one person; compared is the kind with the most and with the fewest.
What that costs is the share of pairs of two photos of one person that are missed, of people of
another collection and of celebrities, whose kinds are not known: misses have no groups.

The half that is a cohort is of the collection whose pairs set the limits: what it misses of other
collections is too good. Sex and group are used for these figures alone: no way knows them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pyarrow import parquet
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.dataset.identity import tidy
from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import SAME_PERSON, Sameness, load_sameness
from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import PROJECT_ROOT

DATA = PROJECT_ROOT.parent / "shared" / "data"
CONSOLE = Console(width=130)

# What SFace's authors give: the limit before.
COSINE = 0.363
RARE = 0.01
RESAMPLED = 400
# With fewer than one in ten thousand the ratio is noise.
LEAST = 1e-4
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Shown:
    """Photos with one face, and what they are called: a kind, or a person."""

    vectors: np.ndarray
    labels: np.ndarray

    @classmethod
    def read(cls, path: Path, label: Callable[[dict[str, str]], str]) -> Shown:
        rows = parquet.read_table(path).to_pylist()
        images = [row.pop("image")["bytes"] for row in rows]
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(crop_of, images))
        kept = [n for n, crop in enumerate(found) if crop is not None]
        CONSOLE.print(f"{path.name}: {len(rows)} photos, {len(rows) - len(kept)} without one face")
        crops = [crop for crop in found if crop is not None]
        return cls(load_recogniser()(crops), np.array([label(rows[n]) for n in kept]))

    @cached_property
    def kinds(self) -> dict[str, np.ndarray]:
        """Positions of the photos of each label."""
        return {one: np.flatnonzero(self.labels == one) for one in np.unique(self.labels).tolist()}

    def pairs(self, score: Score) -> tuple[np.ndarray, np.ndarray]:
        """Scores of pairs of one person, and of pairs of two."""
        above = np.triu_indices(len(self.labels), 1)
        values = score(self.vectors, self.vectors)[above]
        same = self.labels[above[0]] == self.labels[above[1]]
        return values[same], values[~same]


def crop_of(data: bytes) -> np.ndarray | None:
    """The one face of a photo."""
    try:
        return both_views(read_image(data)).crops[0]
    except FaceError:
        return None


# --- Ways ----------------------------------------------------------------------------------------


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one @ other.T


def centred(cohort: np.ndarray) -> Score:
    """Cosine from the middle of the cohort."""

    def place(vectors: np.ndarray) -> np.ndarray:
        moved = vectors - cohort.mean(0)
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    return lambda one, other: place(one) @ place(other).T


def deviations(cohort: np.ndarray, nearest: int) -> Score:
    """Symmetric normalisation (AS-norm): standard deviations above the nearest of the cohort."""

    def spread(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        alike = np.sort(vectors @ cohort.T, axis=1)[:, -nearest:]
        return alike.mean(1), alike.std(1)

    def score(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        (mean, deviation), (means, deviations) = spread(one), spread(other)
        cosines = one @ other.T
        first = (cosines - mean[:, None]) / deviation[:, None]
        return (first + (cosines - means) / deviations) / 2

    return score


@dataclass(frozen=True)
class Compared:
    """A way of comparing; with two scores each is for one half of the strangers."""

    name: str
    scores: tuple[Score, ...]


def ways(strangers: Shown, half: np.ndarray) -> list[Compared]:
    ships = load_sameness()
    halves = tuple(Sameness(strangers.vectors[half != n]) for n in (0, 1))
    return [
        Compared("cosine", (cosine,)),
        Compared("as it ships", (ships,)),
        Compared("centred cosine", (centred(ships.cohort),)),
        Compared("AS-norm, 20 nearest", (deviations(ships.cohort, 20),)),
        Compared("S-norm, all of the cohort", (deviations(ships.cohort, len(ships.cohort)),)),
        Compared("as it ships, real cohort", halves),
    ]


# --- Figures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Groups:
    """Scores of pairs within each kind; nan where no pair is asked.

    Attributes:
        tables: by kind, float [n, n], symmetric.
    """

    tables: dict[str, np.ndarray]

    @classmethod
    def of(cls, strangers: Shown, half: np.ndarray, way: Compared) -> Groups:
        tables = {}
        for kind, places in strangers.kinds.items():
            vectors, turn = strangers.vectors[places], half[places]
            table = np.full((len(places), len(places)), np.nan)
            for n, score in enumerate(way.scores):
                asked = np.flatnonzero(turn == n) if len(way.scores) > 1 else np.arange(len(places))
                table[np.ix_(asked, asked)] = score(vectors[asked], vectors[asked])
            np.fill_diagonal(table, np.nan)
            tables[kind] = table
        return cls(tables)

    @cached_property
    def everything(self) -> np.ndarray:
        values = np.concatenate([table.ravel() for table in self.tables.values()])
        return values[np.isfinite(values)]

    def limit(self, rate: float) -> float:
        """Above which so many of all pairs are."""
        return float(np.quantile(self.everything, 1 - rate))

    def rates(self, limit: float) -> dict[str, float]:
        """Share of the pairs that are above a limit, by kind."""
        return {
            kind: float((t > limit).sum() / np.isfinite(t).sum()) for kind, t in self.tables.items()
        }

    def resampled(self, limit: float) -> np.ndarray:
        """Rates of people drawn anew, with replacement: float [RESAMPLED, kinds]."""
        random = np.random.default_rng(0)
        drawn = []
        for table in self.tables.values():
            asked, above = np.isfinite(table).astype(float), (table > limit).astype(float)
            count = len(table)
            weights = random.multinomial(count, np.ones(count) / count, size=RESAMPLED).astype(
                float
            )
            hits = ((weights @ above) * weights).sum(1)
            drawn.append(hits / ((weights @ asked) * weights).sum(1))
        return np.stack(drawn, axis=1)

    def ratio(self, limit: float) -> str:
        """Most by fewest, with the 95% interval."""
        drawn = self.resampled(limit)
        low, high = np.quantile(worst_by_best(drawn), [0.025, 0.975])
        value = worst_by_best(np.array([list(self.rates(limit).values())]))[0]
        return f"{value:.1f} ({low:.1f} to {high:.1f})"


def worst_by_best(rates: np.ndarray) -> np.ndarray:
    return rates.max(1) / np.maximum(rates.min(1), LEAST)


def missed(people: Shown, score: Score, limit: float) -> str:
    """Share of the pairs of one person below the limit, with the 95% interval over people."""
    people_of = [people.vectors[places] for places in people.kinds.values() if len(places) > 1]
    hits, asked = [], []
    for vectors in people_of:
        values = score(vectors, vectors)[np.triu_indices(len(vectors), 1)]
        hits.append((values <= limit).sum())
        asked.append(len(values))
    counts = np.array([hits, asked], float)
    drawn = counts[:, np.random.default_rng(0).integers(len(hits), size=(RESAMPLED, len(hits)))]
    shares = drawn[0].sum(1) / drawn[1].sum(1)
    low, high = 100 * np.quantile(shares, [0.025, 0.975])
    return f"{100 * counts[0].sum() / counts[1].sum():.1f} ({low:.1f} to {high:.1f})"


def ordered(same: np.ndarray, different: np.ndarray) -> float:
    """Share of pairs of a pair of one person and one of two that are in order (AUC)."""
    return float((np.searchsorted(np.sort(different), same) / len(different)).mean())


def by_kind(before: Groups, after: Groups) -> Table:
    """False matches of each kind at the limits before and after."""
    table = Table("false matches, %", *right("cosine 0.363", f"as it ships, {SAME_PERSON}"))
    sides = [(before, COSINE), (after, SAME_PERSON)]
    rates = [side.rates(limit) for side, limit in sides]
    for kind in rates[0]:
        table.add_row(kind, *(f"{100 * each[kind]:.1f}" for each in rates))
    table.add_row("mean", *(f"{100 * np.mean(list(each.values())):.1f}" for each in rates))
    table.add_row("most by fewest", *(side.ratio(limit) for side, limit in sides))
    return table


def compare(
    strangers: Shown,
    half: np.ndarray,
    people: Shown,
    celebrities: Shown,
    compared: Sequence[Compared],
) -> Table:
    """All ways, at limits with the same false matches."""
    table = Table("%, 95% intervals", *right(*(way.name for way in compared)), show_lines=True)
    table.caption = f"Of pairs of one kind as many are above {COSINE} as in the first three rows."
    found = [Groups.of(strangers, half, way) for way in compared]
    share = float((found[0].everything > COSINE).mean())
    for rate in (share, RARE):
        limits = [one.limit(rate) for one in found]
        both = list(zip(compared, limits, strict=True))
        mean = f"false matches {100 * rate:.1f}%"
        table.add_row(
            f"{mean}: most by fewest", *(o.ratio(at) for o, at in zip(found, limits, strict=True))
        )
        for what, some in (("people", people), ("celebrities", celebrities)):
            cells = (missed(some, way.scores[0], at) for way, at in both)
            table.add_row(f"{mean}: {what} missed", *cells)
    for what, some in (("people", people), ("celebrities", celebrities)):
        cells = (f"{ordered(*some.pairs(way.scores[0])):.4f}" for way in compared)
        table.add_row(f"{what}: AUC", *cells)
    return table


def right(*names: str) -> list[Column]:
    return [Column(name, justify="right", overflow="fold") for name in names]


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=DATA, help="instead of ../shared/data")
    data = options.parse_args().data
    if not (data / "strangers").is_dir():
        CONSOLE.print("bench_fair: left out, the strangers of ../shared/data are not here.")
        return
    strangers = Shown.read(
        data / "strangers" / "faces.parquet", lambda row: f"{row['group']} {row['sex']}"
    )
    people = Shown.read(data / "strangers" / "people.parquet", lambda row: tidy(row["label"]))
    celebrities = Shown.read(data / "celebs" / "test.parquet", lambda row: tidy(row["label"]))
    half = np.random.default_rng(0).permutation(len(strangers.labels)) % 2
    compared = ways(strangers, half)
    before, after = (Groups.of(strangers, half, way) for way in compared[:2])
    CONSOLE.print(by_kind(before, after))
    CONSOLE.print(compare(strangers, half, people, celebrities, compared))


if __name__ == "__main__":
    main()
