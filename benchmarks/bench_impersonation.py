"""Claim: an upload that is made of known people is flagged, and an honest one is not.

Made are crops as the upload page sends them: blends of aligned crops of 2, 3 and 4 people, pixel by
pixel or warped first (piecewise affine by Delaunay triangles of the detector's five landmarks and
eight points of the rim), of their photos and of frames of their clips; and crops of 2, 3 and 4
people in turn. All sources are known. They go the way of an upload: found again, judged, compared.
Beside it, in the same run, the rule before: the mean face is at 0.5 or above to a known one's.

Honest are photos of one person, clips, and strangers of two more collections, of whom there are too
few photos for an upload: what is asked of vectors alone is asked of these. Nobody is in the gallery
that they are compared with. Limits were set on one half of the people, by a hash of the name; both
halves are shown. Intervals are exact (Clopper & Pearson), of uploads.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from pyarrow import parquet
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.dataset.identity import best_spelling, celebrity_id
from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.clip import MIN_FACES, extract_faces, spread
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.recheck import Recheck, recheck
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.single_face import both_views
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import encode_png, read_image
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER, PROJECT_ROOT, SAMPLE
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster.uploads.mixtures import BETWEEN, between, mixed
from twin_matcher_dagster.uploads.resemblance import KNOWN_PERSON, compared, find_resemblance

DATA = PROJECT_ROOT.parent / "shared" / "data"
CONSOLE = Console(width=120)
SAMENESS = load_sameness()

CROPS = 24
KNOWN_PHOTOS, PHOTOS = 10, 40
# "Gwyneth Paltrow" is two women there.
TWO_WOMEN = "Gwyneth Paltrow"
RIM = np.array([[0, 0], [80, 0], [159, 0], [159, 80], [159, 159], [80, 159], [0, 159], [0, 80]])
RULES = {
    "the face looks like": "mean face",
    "faces look like a second person's": "two people",
    "less alike": "not one person's",
    "faces look like": "crops",
    "lies between": "between two",
}
Blend = Callable[[Sequence[np.ndarray]], np.ndarray | None]


def half_of(name: str) -> int:
    """0: limits were set on these; 1: the others."""
    return hashlib.sha256(name.encode()).digest()[0] % 2


class Embedder:
    """The recogniser, which sees each crop once."""

    def __init__(self) -> None:
        self._known: dict[bytes, np.ndarray] = {}
        self._network = load_recogniser()

    def __call__(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        keys = [hashlib.sha256(crop.tobytes()).digest() for crop in crops]
        new = {key: crop for key, crop in zip(keys, crops, strict=True) if key not in self._known}
        if new:
            self._known |= zip(new, self._network(list(new.values())), strict=True)
        return np.stack([self._known[key] for key in keys]) if keys else np.zeros((0, 128))


EMBED = Embedder()


class Gallery(KnownPeople):
    """Everybody known, by the name: of celebrities."""

    def __init__(self, templates: Mapping[str, np.ndarray]) -> None:
        self._templates = templates

    def templates(self) -> dict[str, np.ndarray]:
        return dict(self._templates)

    def names(self) -> Mapping[str, str]:
        return {who: who for who in self._templates}

    def is_accepted(self, identity_id: str) -> bool:
        return False

    def called(self, identity_id: str) -> str:
        return identity_id

    def without(self, names: Sequence[str]) -> Gallery:
        return Gallery({who: one for who, one in self._templates.items() if who not in names})


def crop_of(data: bytes) -> np.ndarray | None:
    """The one face of a photo, aligned."""
    try:
        return both_views(read_image(data)).crops[0]
    except FaceError:
        return None


@dataclass
class People:
    """Of each person some photos that are known, as a mean, and others: crops."""

    known: dict[str, np.ndarray] = field(default_factory=dict)
    crops: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> People:
        """Of a collection; a person is one however the name is written."""
        listed: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        for row in parquet.read_table(path, columns=["image", "label"]).to_pylist():
            listed[celebrity_id(row["label"])].append((row["label"], row["image"]["bytes"]))
        people = cls()
        for rows in listed.values():
            name = best_spelling(label for label, _ in rows)
            if name != TWO_WOMEN and len(rows) >= KNOWN_PHOTOS + CROPS:
                found = (crop_of(data) for _, data in rows[: KNOWN_PHOTOS + PHOTOS])
                shown = [crop for crop in found if crop is not None]
                people.known[name] = template_of(EMBED(shown[:KNOWN_PHOTOS]))
                people.crops[name] = shown[KNOWN_PHOTOS:]
        return people


def seen(crops: Sequence[np.ndarray]) -> Recheck:
    """Crops as an upload's are looked at."""
    return recheck([encode_png(crop) for crop in crops], EMBED, SAMENESS)


@dataclass(frozen=True)
class Outcome:
    """What became of an upload: whether it has too few good crops, and what flags it."""

    refused: bool
    before: bool
    flags: tuple[str, ...]

    @classmethod
    def of(cls, found: Recheck, gallery: Gallery) -> Outcome:
        alike = compared(found.template[None], np.stack([*gallery.templates().values()]), SAMENESS)
        flagged = find_resemblance(found, "Nobody", gallery, BUNDLED_RECOGNISER).flagged
        flags = (*mixed(found.vectors, SAMENESS), *flagged.values())
        few = len(found.kept) < MIN_FACES
        return cls(few, bool(alike.max() >= KNOWN_PERSON), tuple(rule_of(one) for one in flags))


def rule_of(flag: str) -> str:
    """Which rule said this."""
    for words, rule in RULES.items():
        if words in flag:
            return rule
    raise ValueError(flag)


def shares(found: Sequence[bool]) -> str:
    """How many of how many, in percent, with the exact interval."""
    if not found:
        return "none"
    low, high = interval_of_share(np.array(found), np.arange(len(found)))
    return f"{sum(found)} of {len(found)}: {100 * low:.1f} to {100 * high:.1f}%"


# --- Attacks -------------------------------------------------------------------------------------


def average(crops: Sequence[np.ndarray]) -> np.ndarray:
    """Pixel by pixel."""
    return np.stack(crops).mean(0).round().astype(np.uint8)


def morph(crops: Sequence[np.ndarray]) -> np.ndarray | None:
    """Each warped to the mean of all landmarks first; None where a face is not found again."""
    found = [landmarks_of(crop) for crop in crops]
    points = [one for one in found if one is not None]
    if len(points) < len(crops):
        return None
    middle = np.mean(points, 0).astype(np.float32)
    triangles = triangles_of(middle)
    warped = (warp(crop, own, middle, triangles) for crop, own in zip(crops, points, strict=True))
    return average(list(warped))


def landmarks_of(crop: np.ndarray) -> np.ndarray | None:
    """Five landmarks and eight points of the rim, float32 [13, 2]."""
    key = hashlib.sha256(crop.tobytes()).digest()
    if key not in LANDMARKS:
        found = detect_faces(crop)
        LANDMARKS[key] = (
            np.concatenate([found[0].landmarks, RIM]).astype(np.float32)
            if len(found) == 1
            else None
        )
    return LANDMARKS[key]


LANDMARKS: dict[bytes, np.ndarray | None] = {}


def triangles_of(points: np.ndarray) -> list[list[int]]:
    """Delaunay's, as numbers of points."""
    import cv2

    plane = cv2.Subdiv2D((-1, -1, 162, 162))
    plane.insert([tuple(map(float, point)) for point in points])
    corners = np.asarray(plane.getTriangleList()).reshape(-1, 3, 1, 2)
    apart = np.abs(corners - points).sum(-1)
    inside = apart.min(-1).max(-1) < 1
    return [list(map(int, row)) for row in apart.argmin(-1)[inside]]


def warp(
    crop: np.ndarray, source: np.ndarray, target: np.ndarray, triangles: list[list[int]]
) -> np.ndarray:
    """A crop whose landmarks are elsewhere."""
    import cv2

    out = crop.copy()
    for corners in triangles:
        matrix = cv2.getAffineTransform(source[corners], target[corners])
        moved = cv2.warpAffine(crop, matrix, crop.shape[:2], borderMode=cv2.BORDER_REFLECT_101)
        mask = np.zeros(crop.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, target[corners].round().astype(int), 1)
        out[mask > 0] = moved[mask > 0]
    return out


BLENDS: dict[str, Blend] = {"pixels": average, "warped": morph}
MIXTURES = {
    "12 + 12": (12, 12),
    "18 + 6": (18, 6),
    "22 + 2": (22, 2),
    "3 x 8": (8,) * 3,
    "4 x 6": (6,) * 4,
}


def blended(
    random: np.random.Generator, people: People, names: Sequence[str], blend: Blend
) -> list[np.ndarray]:
    """An upload of blends, each of other photos."""
    crops: list[np.ndarray] = []
    while len(crops) < CROPS:
        drawn = [people.crops[who][random.integers(len(people.crops[who]))] for who in names]
        made = blend(drawn)
        crops += [made] if made is not None else []
    return crops


def attacks(
    random: np.random.Generator, people: People, names: Sequence[str], times: int
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Kind and crops of uploads that some people are the sources of."""
    for _ in range(times):
        for count in (2, 3, 4):
            for kind, blend in BLENDS.items():
                some = random.choice(names, count, replace=False).tolist()
                yield f"{count} people, {kind}", blended(random, people, some, blend)
        for kind, parts in MIXTURES.items():
            some = random.choice(names, len(parts), replace=False).tolist()
            crops = [
                people.crops[who][place]
                for who, part in zip(some, parts, strict=True)
                for place in random.permutation(len(people.crops[who]))[:part]
            ]
            yield f"crops {kind}", crops


def clip_blends(
    clips: Mapping[str, list[np.ndarray]],
) -> Iterator[tuple[str, tuple[str, ...], list[np.ndarray]]]:
    """Kind, sources and crops of blends of frames at the same share of their clips' time.

    They agree with one another, as blends of other photos each do not.
    """
    for count in (2, 3, 4):
        for some in combinations(clips, count):
            rows = [[clips[who][n] for n in spread(len(clips[who]), CROPS)] for who in some]
            for kind, blend in BLENDS.items():
                made = [blend(drawn) for drawn in zip(*rows, strict=True)]
                yield f"{count} clips, {kind}", some, [one for one in made if one is not None]


# --- Honest people -------------------------------------------------------------------------------


def strangers(path: Path, label: str | None) -> dict[str, np.ndarray]:
    """Vectors of people's photos with one face, by name; each photo is somebody without a label."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for number, row in enumerate(parquet.read_table(path).to_pylist()):
        crop = crop_of(row["image"]["bytes"])
        if crop is not None:
            found[row[label] if label else f"{path.stem} {number}"].append(crop)
    return {name: EMBED(crops) for name, crops in found.items()}


def among_strangers(known: Mapping[str, np.ndarray]) -> Table:
    """What is asked of vectors, of people who are compared with all the others."""
    names, templates = list(known), np.stack([template_of(one) for one in known.values()])
    table = Table("strangers", *right("half 0, limits set here", "half 1"))
    alike = compared(templates, templates, SAMENESS)
    np.fill_diagonal(alike, -1)
    taken = alike.max(1) >= KNOWN_PERSON
    halves = np.array([half_of(name) for name in names])
    pairs = [between(row, templates, SAMENESS) for row in alike]
    explained = np.array([pair.explained if pair else 0.0 for pair in pairs])
    found = [mixed(vectors, SAMENESS) if len(vectors) > 2 else () for vectors in known.values()]
    alone = [(halves == half) & ~taken for half in (0, 1)]
    rows: dict[str, list[str]] = {
        f"at {KNOWN_PERSON} or above to somebody": [
            shares(taken[halves == half].tolist()) for half in (0, 1)
        ],
        "of the others: between two": [
            shares((explained >= BETWEEN)[one].tolist()) for one in alone
        ],
        "99.5% are below": [f"{np.quantile(explained[one], 0.995):.3f}" for one in alone],
        "with 3 photos or 4: not one person's": [
            shares(
                [
                    bool(flags)
                    for flags, vectors, half in zip(found, known.values(), halves, strict=True)
                    if len(vectors) > 2 and half == n
                ]
            )
            for n in (0, 1)
        ],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


# --- Tables --------------------------------------------------------------------------------------


def right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def outcomes_table(title: str, outcomes: Mapping[str, Sequence[tuple[int, Outcome]]]) -> Table:
    """Flagged or refused, of the half that no limit was set on, beside the rule before."""
    table = Table(title, *right("before", "now", "now, half 0", "refused"), "by which rules")
    for kind, found in outcomes.items():
        last = [one for half, one in found if half]
        first = [one for half, one in found if not half]
        rules = Counter(rule for one in last for rule in set(one.flags))
        table.add_row(
            kind,
            shares([one.before or one.refused for one in last]),
            shares([bool(one.flags) or one.refused for one in last]),
            shares([bool(one.flags) or one.refused for one in first]),
            str(sum(one.refused for one in last)),
            ", ".join(f"{rule} {count}" for rule, count in rules.most_common()),
        )
    return table


def cost(known: int) -> str:
    """Seconds that a comparison with so many takes."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(known + CROPS, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.process_time()
    alike = compared(vectors[:CROPS], vectors[CROPS:], SAMENESS)
    between(alike[0], vectors[CROPS:], SAMENESS)
    return f"{known:,} known people: {time.process_time() - started:.2f} s of a processor"


def read_clips(folder: Path, pattern: str) -> dict[str, list[np.ndarray]]:
    """Crops of each clip, by its name."""
    return {
        path.stem: [face.image for face in extract_faces(path).faces]
        for path in sorted(folder.glob(pattern))
    }


def of_clips(
    clips: Mapping[str, list[np.ndarray]], others: Mapping[str, list[np.ndarray]], gallery: Gallery
) -> Iterator[tuple[str, tuple[int, Outcome]]]:
    """Blends of clips, of whom other clips are known; of two also where one alone is known."""
    known = {name: template_of(EMBED(crops)) for name, crops in others.items()}
    templates = gallery.templates()
    for kind, some, crops in clip_blends(clips):
        found = seen(crops)
        yield kind, (1, Outcome.of(found, Gallery({**templates, **known})))
        for who in some if len(some) == 2 else ():
            one_known = Gallery({**templates, who: known[who]})
            yield f"{kind}, one known", (1, Outcome.of(found, one_known))


def main() -> int:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=DATA, help="instead of ../shared/data")
    options.add_argument("--times", type=int, default=4, help="uploads of each kind and half")
    given = options.parse_args()
    worlds = {"rendered": People.read(SAMPLE / "faces.parquet")}
    known = {}
    if given.data.is_dir():
        worlds["real"] = People.read(given.data / "celebs" / "train.parquet")
        known = strangers(given.data / "strangers" / "people.parquet", "label")
        known |= strangers(given.data / "strangers" / "faces.parquet", None)
        CONSOLE.print(among_strangers(known))
    CONSOLE.print(cost(100_000))
    others = {name: template_of(vectors) for name, vectors in known.items()}
    gallery = Gallery(others | {n: t for one in worlds.values() for n, t in one.known.items()})
    honest: dict[str, list[tuple[int, Outcome]]] = defaultdict(list)
    made: dict[str, list[tuple[int, Outcome]]] = defaultdict(list)
    for world, people in worlds.items():
        random = np.random.default_rng(0)
        for name, crops in people.crops.items():
            for _ in range(2):
                some = [crops[place] for place in random.permutation(len(crops))[:CROPS]]
                one = Outcome.of(seen(some), gallery.without([name]))
                honest[f"photos, {world}"].append((half_of(name), one))
        for half in (0, 1):
            names = [name for name in people.crops if half_of(name) == half]
            for kind, crops in attacks(random, people, names, given.times):
                made[f"{world}: {kind}"].append((half, Outcome.of(seen(crops), gallery)))
    rendered = read_clips(SAMPLE / "clips", "*.mp4")
    real = read_clips(given.data / "videos", "one_person*.mp4")
    for crops in (*rendered.values(), *real.values()):
        honest["clips"].append((1, Outcome.of(seen(crops), gallery)))
    CONSOLE.print(outcomes_table("honest", honest))
    CONSOLE.print(outcomes_table("attack: stopped", made))
    made.clear()
    first = {name: crops for name, crops in rendered.items() if name.endswith("_1")}
    second = {name: rendered[f"{name[:-1]}2"] for name in first}
    # Of the real people there is one clip each: it is known itself.
    for world, (source, other) in {"rendered": (first, second), "real": (real, real)}.items():
        for kind, outcome in of_clips(source, other, gallery):
            made[f"{world}: {kind}"].append(outcome)
    CONSOLE.print(outcomes_table("attack by clips: stopped", made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
