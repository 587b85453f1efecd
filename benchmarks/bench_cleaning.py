"""Claim: what cleaning leaves out is wrong, and what it keeps is right.

Looked at one by one: a hundred images that were left out and a hundred that were kept, drawn by lot
from a dirty collection, with the verdicts in cleaning_verdicts.csv. Made wrong on purpose: names
swapped within the set, strangers' faces, and copies of every kind. Beside each the share of images
that would be wrong if nothing were done.

`--sheets FOLDER` writes the drawn images as pictures, and their list, to look at them again.
`--namesakes` asks instead who waits for being two people: in both collections, among names of one
person each, and of two people at shares of 10 to 50%. With `--sheets` it writes both groups of
whoever waits.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from pyarrow import parquet
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.celebrities.cleaning import CleaningLimits, find_errors
from twin_matcher_dagster.celebrities.findings import (
    Finding,
    InspectedImage,
)
from twin_matcher_dagster.celebrities.inspection import Inspection, inspect
from twin_matcher_dagster.celebrities.namesakes import NAMESAKES, waiting_in
from twin_matcher_dagster.dataset.schema import RawFace
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.second_person import second_person
from twin_matcher_dagster.media.images import encode_jpeg, read_image
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.settings import PROJECT_ROOT

DATA = PROJECT_ROOT.parent / "shared" / "data"
VERDICTS = Path(__file__).parent / "cleaning_verdicts.csv"
DRAWN = 100
COPIED = 120
CONSOLE = Console(width=110)


def read(path: Path, at_most: int | None = None) -> list[RawFace]:
    """Rows of a Parquet file, drawn by lot where there are more than wanted."""
    rows = parquet.read_table(path).to_pylist()
    chosen = np.random.default_rng(0).permutation(len(rows))[: at_most or len(rows)]
    return [RawFace(rows[i]["image"]["bytes"], rows[i]["label"], "train") for i in sorted(chosen)]


def draw(looked: Sequence[Inspection], found: Sequence[Finding]) -> dict[str, list[str]]:
    """Images to look at: some that were left out, some that were kept."""
    out = {one.image for one in found}
    sides = {
        "left out": out,
        "kept": {one.seen.image for one in looked} - out,
    }
    return {side: sorted(some, key=_lot)[:DRAWN] for side, some in sides.items()}


def _lot(image: str) -> str:
    """An order drawn by lot that stays the same where cleaning changes."""
    return hashlib.sha256(image.encode()).hexdigest()


# --- By hand -------------------------------------------------------------------------------------


def by_hand(drawn: dict[str, list[str]], found: Sequence[Finding], total: int) -> None:
    """Precision and recall from the verdicts: right or wrong to use for the name it has."""
    with VERDICTS.open(newline="") as file:
        verdicts = {row["image"]: row["verdict"] for row in csv.DictReader(file)}
    missing = [image for some in drawn.values() for image in some if image not in verdicts]
    if missing:
        CONSOLE.print(f"{len(missing)} of the drawn images have no verdict: cleaning has changed.")
    judged = {side: [verdicts[i] for i in some if i in verdicts] for side, some in drawn.items()}
    out = len({one.image for one in found})
    precision = share_wrong(judged["left out"], 1.0)
    # Of two copies that were both kept one is right.
    overlooked = share_wrong(judged["kept"], 0.5) * (total - out)
    recall = precision * out / (precision * out + overlooked)
    table = Table("looked at", *right("images", "looked at"), "verdicts")
    for side, size in (("left out", out), ("kept", total - out)):
        counts = ", ".join(f"{n} {one}" for one, n in Counter(judged[side]).most_common())
        table.add_row(side, str(size), str(len(judged[side])), counts)
    CONSOLE.print(table)
    CONSOLE.print(f"precision {precision:.0%}, recall about {recall:.0%}")


def share_wrong(verdicts: Sequence[str], copy: float) -> float:
    """Share of images that are not right to use under their name."""
    weights = [copy if one == "copy" else float(one != "right") for one in verdicts]
    return sum(weights) / max(1, len(weights))


def sheets(
    folder: Path,
    drawn: dict[str, list[str]],
    rows: Sequence[RawFace],
    looked: Sequence[Inspection],
    found: Sequence[Finding],
) -> None:
    """Pictures of the drawn images, a copy beside the one that was kept; and a list to fill in."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {one.seen.image: read_image(row.image) for one, row in zip(looked, rows, strict=True)}
    labels = {one.seen.image: one.seen.label for one in looked}
    why = {one.image: one for one in found}
    with (folder / "verdicts.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["image", "side", "number", "label", "reason", "verdict"])
        for side, some in drawn.items():
            tiles = []
            for number, image in enumerate(some):
                finding = why.get(image)
                out.writerow(
                    [image, side, number, labels[image], finding.reason if finding else "", ""]
                )
                text = f"{number} {labels[image][:16]}"
                note = f"{finding.reason[:15]} {finding.value:.2f}" if finding else ""
                beside = images.get(finding.other_image) if finding else None
                tiles.append((images[image], beside, text, note))
            sheet(tiles).save(folder / f"{side.replace(' ', '_')}.png")


def sheet(tiles: Sequence[tuple[np.ndarray, np.ndarray | None, str, str]]) -> Image.Image:
    side, columns = 100, 10
    wide = side * (2 if any(beside is not None for _, beside, *_ in tiles) else 1)
    page = Image.new("RGB", (columns * wide, -(-len(tiles) // columns) * (side + 26)), "white")
    pen = ImageDraw.Draw(page)
    for i, (image, beside, text, note) in enumerate(tiles):
        x, y = i % columns * wide, i // columns * (side + 26)
        for j, picture in enumerate((image, beside)):
            if picture is not None:
                page.paste(Image.fromarray(picture).resize((side - 2, side - 2)), (x + j * side, y))
        pen.text((x + 1, y + side - 1), text, fill="black")
        pen.text((x + 1, y + side + 11), note, fill="black")
    return page


# --- One name, two people ------------------------------------------------------------------------

SHARES = (0.1, 0.15, 0.2, 0.25, 0.33, 0.5)
SIZES = (15, 40, 120)
PAIRS = 8
# Looked at: two women, decades apart.
TWO_PEOPLE = {"Gwyneth Paltrow"}
COLLECTIONS = {"celebs": ("train", "test"), "bollywood": ("train",)}


def look_at(folder: str) -> list[Inspection]:
    """All photos of a collection, those held out for tests beside the others."""
    rows = [
        RawFace(row["image"]["bytes"], row["label"], part)
        for part in COLLECTIONS[folder]
        for row in parquet.read_table(DATA / folder / f"{part}.parquet").to_pylist()
    ]
    return inspect(rows)


def photos_of(looked: Sequence[Inspection]) -> dict[str, list[Inspection]]:
    """By label: one image a photo, with a face."""
    photos: dict[str, dict[int, Inspection]] = {}
    for one in looked:
        if one.seen.vector is not None:
            photos.setdefault(one.seen.label, {}).setdefault(one.seen.photo, one)
    return {label: list(some.values()) for label, some in sorted(photos.items())}


def state_of(vectors: np.ndarray) -> str:
    """What becomes of one name's photos: ``waits``, ``second person`` or ``one person``."""
    limits = CleaningLimits()
    smaller = second_person(vectors, load_sameness(), limits)
    if not smaller.any():
        return "one person"
    return "waits" if smaller.mean() >= limits.undecided_share else "second person"


def vectors_of(photos: Sequence[Inspection]) -> np.ndarray:
    return np.stack([one.seen.vector for one in photos if one.seen.vector is not None])


def namesakes(folder: Path | None) -> None:
    """Who waits as the collections came, of pure people, and of mixtures of two."""
    pure: dict[str, np.ndarray] = {}
    for name in COLLECTIONS:
        looked = look_at(name)
        found = find_errors([one.seen for one in looked])
        waiting = waiting_in(found)
        photos = photos_of(looked)
        report(name, looked, found)
        CONSOLE.print(f"{name}: {len(photos)} names, {len(waiting)} wait")
        for who, label in waiting.items():
            groups = [
                [one.image for one in found if (one.identity_id, one.reason) == (who, reason)]
                for reason in NAMESAKES
            ]
            alike = next(one.value for one in found if one.identity_id == who)
            CONSOLE.print(f"  {label}: {len(groups[0])} and {len(groups[1])} images, {alike:.2f}")
            if folder:
                save_groups(folder / f"{label}.png", looked, groups)
        # As they came, with single errors.
        for label, some in photos.items():
            if label not in TWO_PEOPLE and len(some) >= min(SIZES):
                pure[label] = vectors_of(some)
    apart(pure)
    by_name(pure)
    by_share(pure)


def apart(pure: dict[str, np.ndarray]) -> None:
    """What the limit lies between: one person's most different groups, and two people."""
    groups = sorted((farthest_groups(some), who) for who, some in pure.items())
    means = np.stack([unit(some.mean(0)) for some in pure.values()])
    pairs = np.sort(load_sameness()(means, means)[np.triu_indices(len(means), 1)])
    lowest = ", ".join(f"{alike:.2f} {who}" for alike, who in groups[:3])
    CONSOLE.print(f"centres of two groups of one person: {lowest}, ...")
    highest = ", ".join(f"{alike:.2f}" for alike in pairs[-3:][::-1])
    CONSOLE.print(f"means of two people, {len(pairs)} pairs: {highest}, ...")


def farthest_groups(vectors: np.ndarray) -> float:
    """Lowest sameness of the centres of two groups of a sixth or more (k-means, 8 starts)."""
    random, lowest = np.random.default_rng(1), 1.0
    for _ in range(8):
        first = vectors[random.integers(len(vectors))]
        second = vectors[(vectors @ first).argmin()]
        for _ in range(25):
            other = vectors @ second > vectors @ first
            if other.all() or not other.any():
                break
            first, second = unit(vectors[~other].mean(0)), unit(vectors[other].mean(0))
        if 1 / 6 <= other.mean() <= 5 / 6:
            lowest = min(lowest, load_sameness().pair(first, second))
    return lowest


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def by_name(pure: dict[str, np.ndarray]) -> None:
    """False alarms: names of one person each, whole, and some of their photos."""
    table = Table(
        "photos",
        *right("names", "draws", "waits, %", "second person, %"),
        title="One person a name",
    )
    random = np.random.default_rng(0)
    for size in (*SIZES, 0):
        enough = {who: some for who, some in pure.items() if len(some) >= max(size, 1)}
        states = [
            (who, state_of(some[random.permutation(len(some))[: size or None]]))
            for who, some in enough.items()
            for _ in range(10 if size else 1)
        ]
        people = [who for who, _ in states]
        rates = [
            interval([state == one for _, state in states], people)
            for one in ("waits", "second person")
        ]
        table.add_row(str(size or "all"), str(len(enough)), str(len(states)), *rates)
    CONSOLE.print(table)


def by_share(pure: dict[str, np.ndarray]) -> None:
    """Found or not: two people under one name, at every share and size."""
    columns = right("photos", "share", "pairs", "waits, %", "second person, %", "not seen, %")
    table = Table(*columns, title="Two people a name")
    for size in SIZES:
        for share in SHARES:
            random = np.random.default_rng(0)
            other = round(share * size)
            states = []
            for who, some in pure.items():
                fits = [one for one in pure if one != who and len(pure[one]) >= other]
                if len(some) < size - other:
                    continue
                for one in random.choice(fits, min(PAIRS, len(fits)), replace=False):
                    mixed = [
                        some[random.permutation(len(some))[: size - other]],
                        pure[one][random.permutation(len(pure[one]))[:other]],
                    ]
                    states.append((who, state_of(np.concatenate(mixed))))
            people = [who for who, _ in states]
            rates = [
                interval([state == one for _, state in states], people)
                for one in ("waits", "second person", "one person")
            ]
            table.add_row(str(size), f"{share:.0%}", str(len(states)), *rates)
    CONSOLE.print(table)


def interval(hits: Sequence[bool], people: Sequence[str]) -> str:
    """A share in percent with its 95% interval (exact, by person)."""
    low, high = interval_of_share(np.array(hits), np.array(people))
    return f"{100 * np.mean(hits):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def save_groups(path: Path, looked: Sequence[Inspection], groups: Sequence[list[str]]) -> None:
    """Up to forty faces of each group, one group above the other."""
    pictures = {one.seen.image: one.picture for one in looked}
    tiles = []
    for number, group in enumerate(groups):
        some = sorted(group, key=_lot)[:40]
        tiles += [(read_image(pictures[image]), None, f"group {number + 1}", "") for image in some]
        blank = np.full((8, 8, 3), 255, np.uint8)
        tiles += [(blank, None, "", "")] * (-len(tiles) % 10)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(tiles).save(path)


# --- Made wrong on purpose -----------------------------------------------------------------------


def made_wrong(looked: Sequence[Inspection], table: Table) -> None:
    """Swap names, and put strangers under names, in what cleaning kept of real faces."""
    wrong = {one.image for one in find_errors([one.seen for one in looked])}
    clean = [one.seen for one in looked if one.seen.image not in wrong]
    names = sorted({one.identity_id for one in clean})
    strangers = [one for one in clean if one.identity_id in names[::3]]
    known = [one for one in clean if one.identity_id not in names[::3]]
    for what in ("names swapped", "strangers"):
        for share in (0.1, 0.33):
            random = np.random.default_rng(0)
            bad = random.random(len(known)) < share
            spoiled = [
                spoil(one, what, known, strangers, random) if is_bad else one
                for one, is_bad in zip(known, bad, strict=True)
            ]
            out = {one.image for one in find_errors(spoiled)}
            hits = np.array([one.image in out for one in spoiled])
            table.add_row(
                what,
                f"{bad.mean():.0%}",
                f"{(hits & bad).sum() / max(1, hits.sum()):.1%}",
                f"{(hits & bad).sum() / bad.sum():.1%}",
            )


def spoil(
    one: InspectedImage,
    what: str,
    known: Sequence[InspectedImage],
    strangers: Sequence[InspectedImage],
    random: np.random.Generator,
) -> InspectedImage:
    if what == "strangers":
        return replace(one, vector=strangers[int(random.integers(len(strangers)))].vector)
    others = sorted({other.identity_id for other in known} - {one.identity_id})
    return replace(one, identity_id=others[int(random.integers(len(others)))])


def half(image: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def cropped(image: np.ndarray) -> np.ndarray:
    cut = round(0.08 * len(image))
    return np.ascontiguousarray(image[cut : -cut // 2, cut // 2 : -cut])


ALTERED: dict[str, Callable[[np.ndarray], bytes]] = {
    "copies, JPEG at quality 30": lambda image: encode_jpeg(image, 30),
    "copies, half the size": lambda image: encode_jpeg(half(image)),
    "copies, mirrored": lambda image: encode_jpeg(mirrored(image)),
    "copies, cropped by 8%": lambda image: encode_jpeg(cropped(image)),
    "copies, mirrored, half, JPEG 40": lambda image: encode_jpeg(half(mirrored(image)), 40),
}


def copied(rows: Sequence[RawFace], table: Table) -> None:
    """Add an altered copy of every image."""
    rows = rows[:COPIED]
    for what, alter in ALTERED.items():
        copies = [RawFace(alter(read_image(row.image)), row.label, row.split) for row in rows]
        looked = inspect([*rows, *copies])
        numbers = [one.seen.photo for one in looked]
        pairs = list(zip(numbers[: len(rows)], numbers[len(rows) :], strict=True))
        found = sum(one == other >= 0 for one, other in pairs)
        alone = len(set(numbers[: len(rows)]))
        table.add_row(what, "50%", f"{alone} of {len(rows)} kept", f"{found / len(rows):.1%}")


def right(*names: str) -> list[Column]:
    """Columns of figures."""
    return [Column(name, justify="right") for name in names]


def report(name: str, looked: Sequence[Inspection], found: Sequence[Finding]) -> None:
    counts = Counter(one.reason for one in found)
    CONSOLE.print(
        f"{name}: {len(looked)} images, {len(found)} findings: {dict(counts.most_common())}"
    )


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sheets", type=Path, metavar="FOLDER", help="write pictures, and stop")
    options.add_argument("--data", default="bollywood/train.parquet", help="under ../shared/data")
    options.add_argument("--namesakes", action="store_true", help="two people a name, and stop")
    arguments = options.parse_args()
    if not DATA.is_dir():
        CONSOLE.print("bench_cleaning: left out, the real faces of ../shared/data are not here.")
        return
    if arguments.namesakes:
        namesakes(arguments.sheets)
        return
    rows = read(DATA / arguments.data)
    looked = inspect(rows)
    found = find_errors([one.seen for one in looked])
    report(arguments.data, looked, found)
    drawn = draw(looked, found)
    if arguments.sheets:
        sheets(arguments.sheets, drawn, rows, looked, found)
        return
    by_hand(drawn, found, len(looked))
    table = Table("made wrong on purpose", *right("share", "precision", "found"))
    made_wrong(looked, table)
    copied(read(DATA / "celebs" / "test.parquet"), table)
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
