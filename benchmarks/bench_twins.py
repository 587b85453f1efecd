"""Claim: a stranger gets twins that look alike.

Compared in one run over one gallery of celebrities, with at most 85 photos each: twins by identity,
SFace's cosines to everybody's template (a release adds the ResNet, which is left out here); dlib's
network as the package `face_recognition` uses it, Euclid's distance to everybody's mean vector; and
likeness as a release of photos has it, as one of the rendered sample has it (Euclid's metric, and
nothing but the cohort), and with real strangers for a cohort. Likeness is asked both views of a
photo, as a release is; the others one crop, which is what they are made for.

Each ``--network`` (the bundled backbone, where none is named) is a ResNet's folder: cosines to
everybody's template, and as a third of likeness as one of the rendered sample has it.

A twin of the stranger's own sex is the crudest sign of likeness that anybody sees. Sex and group
are used for figures alone: nothing is fitted with them. No network is trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from bench_choice import DATA
from bench_choice import read as read_celebrities
from bench_model import CONSOLE, Split
from PIL import Image, ImageDraw, ImageFont
from pyarrow import parquet
from rich.table import Column, Table
from twin_answers import pairs_of, print_answers

from twin_matcher_dagster.dataset.identity import celebrity_id, tidy
from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.cohort import cohort_crops
from twin_matcher_dagster.faces.likeness_network import _CHIP, _CHIP_SIZE, load_likeness_network
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.single_face import FaceViews, both_views
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.recognition.likeness import LikenessSpace, make_space
from twin_matcher_dagster.recognition.likeness_metric import fit_metric
from twin_matcher_dagster.release.probe_reader import by_photo
from twin_matcher_dagster.settings import SAMPLE

# For measuring alone: the product knows nobody's sex.
MEN = {"Simon Cowell", "Robert Downey Jr", "Hugh Jackman", "James Spader", "Keanu Reeves",
       "Barack Obama", "Leonardo DiCaprio", "Daniel Radcliffe"}  # fmt: skip
# Images of an identity that are looked at: for nearly everybody enough for 85 that are clean.
POOL = 120
MIRRORED = 300
SHOWN, TILE, BLOCKS = 24, 96, 3
# Position of the way that a release of photos has.
RELEASED = 2


def plain(crops: Sequence[np.ndarray]) -> np.ndarray:
    """What `face_recognition` sees: float32 [n, 128] of one view, at the length that they have."""
    import cv2

    faces = [
        cv2.warpAffine(crop, _CHIP, (_CHIP_SIZE, _CHIP_SIZE), borderMode=cv2.BORDER_REPLICATE)
        for crop in crops
    ]
    run = load_likeness_network()._session.run
    pixels = [face.transpose(2, 0, 1)[None].astype(np.float32) for face in faces]
    return np.concatenate([np.asarray(run(None, {"face": one})[0]) for one in pixels])


@dataclass(frozen=True)
class Seen:
    """What the networks say of some photos: float32 [n, 128] each; others as they have it."""

    sface: np.ndarray
    plain: np.ndarray
    likeness: np.ndarray
    others: list[np.ndarray]

    @classmethod
    def of(cls, photos: Sequence[FaceViews], others: Sequence[Embedder]) -> Seen:
        """Likeness of all views of a photo, the others of the first."""
        first = [views.crops[0] for views in photos]
        likeness = by_photo(load_likeness_network(), photos)
        told = [one(np.stack(first)) for one in others]
        return cls(load_recogniser()(first), plain(first), likeness, told)

    @classmethod
    def of_crops(cls, crops: Sequence[np.ndarray], others: Sequence[Embedder]) -> Seen:
        """Of crops without their photos."""
        told = [one(np.stack(crops)) for one in others]
        return cls(load_recogniser()(crops), plain(crops), load_likeness_network()(crops), told)


@dataclass(frozen=True)
class Strangers:
    """Photos of one file in which exactly one face is found, and what the networks say of them."""

    photos: list[np.ndarray]
    views: list[FaceViews]
    rows: list[dict[str, str]]
    seen: Seen

    @classmethod
    def read(cls, path: Path, others: Sequence[Embedder]) -> Strangers:
        rows = parquet.read_table(path).to_pylist()
        asked = [read_image(row.pop("image")["bytes"]) for row in rows]
        served = zip(asked, serve(asked), rows, strict=True)
        found = [(photo, views, row) for photo, views, row in served if views]
        CONSOLE.print(f"{path.name}: {len(rows)} photos, {len(rows) - len(found)} without one face")
        photos, views, rows = map(list, zip(*found, strict=True))
        return cls(photos, views, rows, Seen.of(views, others))


def serve(photos: Sequence[np.ndarray]) -> list[FaceViews | None]:
    """Both views of each photo; none of a photo without exactly one face."""

    def one(photo: np.ndarray) -> FaceViews | None:
        try:
            return both_views(photo)
        except FaceError:
            return None

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, photos))


Scores = Callable[[Seen], np.ndarray]


@dataclass(frozen=True)
class Way:
    """A way of finding twins. With several scores, ``turn`` says which each stranger is for."""

    name: str
    scores: tuple[Scores, ...]
    turn: np.ndarray
    spaces: tuple[LikenessSpace, ...] = ()

    def ranked(self, seen: Seen, turn: int = 0) -> np.ndarray:
        """Everybody, the most alike first: int [n, identities]."""
        return np.argsort(-self.scores[turn](seen), axis=1, kind="stable")

    def strangers(self, seen: Seen, turn: np.ndarray) -> np.ndarray:
        """The same for strangers, of whom some were the cohort in turns."""
        orders = np.stack([self.ranked(seen, n) for n in range(len(self.scores))])
        return orders[turn, np.arange(len(turn))]


def ways(split: Split, strangers: Seen, others: Mapping[str, Embedder]) -> list[Way]:
    """All that are compared."""
    templates = np.stack([template_of(one.vectors) for one in split.train.values()])
    means = np.stack([plain(one.crops).mean(0) for one in split.train.values()])
    vectors = {who: load_likeness_network()(one.crops) for who, one in split.train.items()}

    def by_identity(seen: Seen) -> np.ndarray:
        return seen.sface @ templates.T

    def by_distance(seen: Seen) -> np.ndarray:
        return -np.linalg.norm(seen.plain[:, None] - means, axis=2)

    def by_likeness(
        name: str,
        cohorts: Sequence[np.ndarray],
        turn: np.ndarray,
        learnt: Sequence[np.ndarray] = (),
        held_out: Mapping[str, np.ndarray] | None = None,
    ) -> Way:
        spaces = []
        for cohort in cohorts:
            metric = fit_metric(cohort, learnt)
            places = {who: metric.template(one) for who, one in vectors.items()}
            spaces.append(make_space(metric, places, cohort, held_out))
        return Way(name, tuple(partial(_likeness, one) for one in spaces), turn, tuple(spaces))

    rendered, real = load_likeness_network()(cohort_crops()), list(vectors.values())
    held_out = {who: load_likeness_network()(one.crops) for who, one in split.test.items()}
    everybody = np.zeros(len(strangers.sface), np.int64)
    half = np.random.default_rng(0).permutation(len(everybody)) % 2
    halves = [strangers.likeness[half != n] for n in (0, 1)]
    alone = by_likeness("likeness, rendered alone", [rendered], everybody)
    networks = []
    for n, (name, network) in enumerate(others.items()):
        theirs = np.stack(
            [template_of(network(np.stack(one.crops))) for one in split.train.values()]
        )
        middle = network(cohort_crops()).mean(0)
        by_network = partial(_network, n, theirs, 0.0)
        networks.append(Way(f"{name}: cosines", (by_network,), everybody))
        mixed = partial(_mixed, alone.scores[0], partial(_network, n, theirs, middle))
        networks.append(Way(f"{name}: a third of it", (mixed,), everybody))
    return [
        Way("by identity: SFace (ResNet left out)", (by_identity,), everybody),
        Way("dlib as in face_recognition", (by_distance,), everybody),
        by_likeness("likeness, as released", [rendered], everybody, real, held_out),
        alone,
        by_likeness("likeness, half the strangers as cohort", halves, half, real),
        *networks,
    ]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _network(
    number: int, templates: np.ndarray, middle: np.ndarray | float, seen: Seen
) -> np.ndarray:
    return _unit(seen.others[number] - middle) @ _unit(templates - middle).T


def _mixed(one: Scores, other: Scores, seen: Seen) -> np.ndarray:
    """Two thirds the one and a third the other, of equal deviation."""
    first, second = one(seen), other(seen)
    return (2 * first / first.std() + second / second.std()) / 3


def _likeness(space: LikenessSpace, seen: Seen) -> np.ndarray:
    return space.scores(seen.likeness)


def rate(hits: np.ndarray) -> str:
    """A share in percent with its 95% interval (exact)."""
    low, high = interval_of_share(hits, np.arange(len(hits)))
    return f"{100 * np.mean(hits):.1f}\n{100 * low:.1f} to {100 * high:.1f}"


@dataclass(frozen=True)
class Bench:
    """The gallery, held-out photos of it, strangers; of some also what was seen in the mirror."""

    split: Split
    names: Sequence[str]
    test: Seen
    truth: np.ndarray
    faces: Strangers
    people: Strangers
    drawn: np.ndarray
    answered: np.ndarray
    mirrored: Seen

    def figures(self, way: Way) -> dict[str, str]:
        """What one way gives, by name."""
        order = way.strangers(self.faces.seen, way.turn)
        sex, group = (np.array([row[key] for row in self.faces.rows]) for key in ("sex", "group"))
        is_man = np.array([name in MEN for name in self.names])
        right = is_man[order[:, :3]] == (sex == "m")[:, None]
        cells = [right[(sex == s) & (group == g), 0] for s in "mf" for g in sorted(set(group))]
        hub = int(np.bincount(order[:, 0]).argmax())
        again = self.drawn[self.answered]
        mirrored = np.zeros(len(self.drawn), bool)
        twins = way.strangers(self.mirrored, way.turn[again])[:, 0]
        mirrored[self.answered] = twins == order[again, 0]
        named = [way.ranked(self.test, n)[:, 0] == self.truth for n in range(len(way.scores))]
        orders = [way.ranked(self.people.seen, n) for n in range(len(way.scores))]
        one, other = self.pairs().T
        same = [order[one, 0] == order[other, 0] for order in orders]
        both = ((one, other), (other, one))
        within = [(order[a, :1] == order[b, :3]).any(1) for order in orders for a, b in both]
        above = [
            space.scores(self.faces.seen.likeness)[way.turn == n] > space.quantiles[950]
            for n, space in enumerate(way.spaces)
        ]
        return {
            "twin of the stranger's sex": rate(right[:, 0]),
            "all three of it": rate(right.all(1)),
            "twin's sex, worst of 8 groups": rate(min(cells, key=lambda cell: cell.mean())),
            "commonest twin's share": f"{rate(order[:, 0] == hub)}\n{self.names[hub]}",
            "pairs said to be very alike (5 of 100)": f"{100 * np.concatenate(above).mean():.1f}"
            if above
            else "-",
            "two photos: the same twin": rate(np.mean(same, 0)),
            "two photos: twin among the other's three": rate(np.mean(within, 0)),
            "photo and mirrored photo: the same twin": rate(mirrored),
            "celebrities' held-out photos named": rate(np.mean(named, 0)),
        }

    def strangers(self) -> tuple[list[int], list[str]]:
        """Photos of people who are nobody of the gallery, and who is on each."""
        who = [tidy(row["label"]) for row in self.people.rows]
        kept = [n for n, name in enumerate(who) if name not in self.names]
        return kept, [who[n] for n in kept]

    def pairs(self) -> np.ndarray:
        """Two photos of one stranger who is nobody of the gallery: int [n, 2]."""
        kept, who = self.strangers()
        return np.array(kept)[pairs_of(who)]

    def portraits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The two most typical photos of everybody."""
        pairs = []
        for one in self.split.train.values():
            first, second = np.argsort(-(one.vectors @ template_of(one.vectors)))[:2]
            pairs.append((one.crops[first], one.crops[second]))
        return pairs


def sheet(bench: Bench, compared: Sequence[Way], path: Path) -> None:
    """Strangers, and their three twins by each of the ways, with the names."""
    portraits = [first for first, _ in bench.portraits()]
    drawn = np.random.default_rng(0).permutation(len(bench.faces.views))[:SHOWN]
    orders = [way.strangers(bench.faces.seen, way.turn) for way in compared]
    part, high, top = 3 * TILE + 10, TILE + 28, 20
    wide = TILE + 30 + part * len(compared)
    page = Image.new("RGB", (BLOCKS * wide, top + -(-SHOWN // BLOCKS) * high), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)

    def place(crop: np.ndarray, x: int, y: int, name: str = "") -> None:
        page.paste(Image.fromarray(crop).resize((TILE, TILE)), (x, y))
        draw.text((x + 2, y + TILE), name.replace(" ", "\n", 1), "black", font)

    for number, stranger in enumerate(drawn):
        x, y = number % BLOCKS * wide, top + number // BLOCKS * high
        place(bench.faces.views[stranger].crops[0], x, y)
        for n, order in enumerate(orders):
            left = x + TILE + 10 + n * part
            if number < BLOCKS:
                draw.text((left, 4), compared[n].name, "black", font)
            for m, who in enumerate(order[stranger, :3]):
                place(portraits[who], left + m * TILE, y, bench.names[who])
    page.save(path)


def read(data: Path, networks: Sequence[Path]) -> tuple[Bench, list[Way]]:
    """The gallery, everybody who is asked about, and the ways."""
    celebs = data / "celebs"
    labels = parquet.read_table(celebs / "train.parquet", columns=["label"])["label"].to_pylist()
    name_of = {celebrity_id(label): tidy(label) for label in labels}
    split = Split.of(*read_celebrities(celebs, POOL))
    others = {folder.name: Embedder(folder) for folder in networks}
    asked = list(others.values())
    faces, people = (
        Strangers.read(data / "strangers" / f"{part}.parquet", asked)
        for part in ("faces", "people")
    )
    drawn = np.random.default_rng(0).permutation(len(faces.photos))[:MIRRORED]
    mirrored = serve([np.ascontiguousarray(faces.photos[n][:, ::-1]) for n in drawn])
    answered = np.array([bool(views) for views in mirrored])
    seen = Seen.of([views for views in mirrored if views], asked)
    held_out = [(n, crop) for n, who in enumerate(split.train) if who in split.test
                for crop in split.test[who].crops]  # fmt: skip
    truth, crops = zip(*held_out, strict=True)
    names, test = [name_of[who] for who in split.train], Seen.of_crops(crops, asked)
    bench = Bench(split, names, test, np.array(truth), faces, people, drawn, answered, seen)
    return bench, ways(split, faces.seen, others)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=DATA.parent, help="instead of ../shared/data")
    options.add_argument("--network", type=Path, action="append", help="a ResNet's folder")
    options.add_argument("--sheet", type=Path, help="a PNG of strangers and their twins")
    arguments = options.parse_args()
    if not (arguments.data / "strangers").is_dir():
        CONSOLE.print("bench_twins: left out, the real faces of ../shared/data are not here.")
        return
    bench, compared = read(arguments.data, arguments.network or [SAMPLE / "backbone"])
    found = [bench.figures(way) for way in compared]
    columns = [Column(way.name, justify="right", overflow="fold") for way in compared]
    table = Table("%, 95% intervals", *columns, show_lines=True)
    table.caption = "Photos of one person are not independent: intervals of pairs are too narrow."
    for name in found[0]:
        table.add_row(name, *(figures[name] for figures in found))
    photos = sum(len(one.crops) for one in bench.split.train.values())
    CONSOLE.print(
        f"{len(bench.names)} people with {photos} photos, {len(bench.truth)} held out; "
        f"{len(bench.faces.rows)} strangers; {len(bench.pairs())} pairs of photos of one stranger; "
        f"{len(bench.drawn)} mirrored photos, {int((~bench.answered).sum())} of them refused: "
        "these count as another twin."
    )
    CONSOLE.print(table)
    (space,) = compared[RELEASED].spaces
    kept, people = bench.strangers()
    photos = [bench.people.photos[n] for n in kept]
    views = [bench.people.views[n] for n in kept]
    print_answers(CONSOLE, space, photos, views, people, bench.portraits(), arguments.data, rate)
    if arguments.sheet:
        sheet(bench, [compared[0], compared[RELEASED]], arguments.sheet)


if __name__ == "__main__":
    main()
