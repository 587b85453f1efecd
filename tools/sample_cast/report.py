"""Measure the sample that ships: are all faces found, and are the people told apart by a recogniser that never saw them?

    python report.py                    # exits with 1 where a floor is missed

The floors are those that the sample has to keep; beside them the figures of the same recogniser on real people, where a
folder with a test.parquet of faces is given (--real).
"""
from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as parquet
from rich.console import Console
from rich.progress import track
from rich.table import Table

from faces import confident_faces
from sface import Recogniser, equal_error_rate, pairs, rank_one
from sources import DEFAULT_WORK, HERE

CONSOLE = Console(width=140)


def decode(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def tidy(label: str) -> str:
    return " ".join(label.replace("_", " ").split()).casefold()


def frames_every_100_ms(path: Path):
    """Frames of a clip at 0, 100, 200 ... milliseconds."""
    capture = cv2.VideoCapture(str(path))
    rate, index, wanted = capture.get(cv2.CAP_PROP_FPS), 0, 0.0
    while True:
        ok, image = capture.read()
        if not ok:
            return
        if index / rate * 1000 >= wanted - 1e-6:
            yield image
            wanted += 100
        index += 1


def embed_all(images, recogniser: Recogniser, total: int, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of images with exactly one face, which images those are, and how many faces each image has."""
    vectors, rows, counts = [], [], []
    for row, image in enumerate(track(images, what, total=total, transient=True)):
        found = confident_faces(image)
        counts.append(len(found))
        if len(found) == 1:
            vectors.append(recogniser.embed(image, found[0]))
            rows.append(row)
    return np.array(vectors), np.array(rows), np.array(counts)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def told_apart(table, recogniser: Recogniser, what: str) -> tuple[float, float, float, float, float, dict[str, np.ndarray]]:
    """Share with one face, rank-1, equal error rate, mean cosine of one and of two people, and the mean vector of each person."""
    images, labels = table["image"].to_pylist(), [tidy(str(label)) for label in table["label"].to_pylist()]
    vectors, rows, counts = embed_all((decode(image["bytes"]) for image in images), recogniser, len(images), what)
    owners = np.array(labels)[rows]
    same, different = pairs(vectors, owners)
    centres = {owner: unit(vectors[owners == owner].mean(0)) for owner in sorted(set(owners))}
    rate, _ = equal_error_rate(same, different)
    return float((counts == 1).mean()), rank_one(vectors, owners), rate, float(same.mean()), float(different.mean()), centres


def measure_clips(folder: Path, recogniser: Recogniser, centres: dict[str, np.ndarray]) -> tuple[float, float, float, Table]:
    """Share of frames with one face, the smallest margin of a clip, the share of frames nearest to their own person."""
    clips, counts = {}, []
    for path in sorted(folder.glob("*.mp4")):
        frames = list(frames_every_100_ms(path))
        clips[path.stem], _, found = embed_all(frames, recogniser, len(frames), path.stem)
        counts += list(found)
    means = {name: unit(vectors.mean(0)) for name, vectors in clips.items()}
    table = Table("clip", "frames", "other clip of the same person", "nearest other person", "margin", "frames nearest to their own", title="clips")
    margins, right, total = [], 0, 0
    for name, vectors in clips.items():
        person = re.sub(r"_\d+$", "", name)
        own = np.stack([mean for other, mean in means.items() if other != name and other.startswith(f"{person}_")])
        others = [mean for other, mean in means.items() if not other.startswith(f"{person}_")] + list(centres.values())
        names = [other for other in means if not other.startswith(f"{person}_")] + list(centres)
        towards = np.stack(others) @ means[name]
        like_own, like_other = float((own @ means[name]).max()), float(towards.max())
        nearest = (vectors @ own.T).max(1) > (vectors @ np.stack(others).T).max(1)
        margins.append(like_own - like_other)
        right, total = right + int(nearest.sum()), total + len(nearest)
        table.add_row(name, str(len(vectors)), f"{like_own:.3f}", f"{like_other:.3f} ({names[int(towards.argmax())]})",
                      f"{margins[-1]:+.3f}", f"{nearest.mean():.1%}")
    return float((np.array(counts) == 1).mean()), min(margins), right / total, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--sample", type=Path, default=HERE.parent.parent / "twin_matcher_dagster" / "sample")
    parser.add_argument("--real", type=Path, help="a Parquet file of real people's faces (image, label), for comparison")
    arguments = parser.parse_args()
    (arguments.work / "archives").mkdir(parents=True, exist_ok=True)
    recogniser = Recogniser(arguments.work)

    faces = parquet.read_table(arguments.sample / "faces.parquet")
    found, rank, error, same, different, centres = told_apart(faces, recogniser, "faces")
    in_clips, margin, own, clips = measure_clips(arguments.sample / "clips", recogniser, centres)
    centre_matrix = np.stack(list(centres.values()))
    alike = centre_matrix @ centre_matrix.T - 2 * np.eye(len(centres))
    size = sum(path.stat().st_size for path in arguments.sample.rglob("*") if path.is_file()) / 1e6

    floors = [("images with exactly one face", found, ">=", 0.99), ("clip frames with exactly one face", in_clips, ">=", 0.95),
              ("rank-1, leave one out", rank, ">=", 0.98), ("equal error rate", error, "<=", 0.03),
              ("smallest margin of a clip", margin, ">=", 0.0), ("size in MB", size, "<=", 25.0)]
    table = Table("figure", "measured", "floor", "", title="the sample, RetinaFace (score > 0.9) and SFace")
    missed = 0
    for name, value, sign, floor in floors:
        kept = value >= floor if sign == ">=" else value <= floor
        missed += not kept
        style = "{:.2f}" if abs(floor) > 1 or floor == 0 else "{:.2%}"
        table.add_row(name, style.format(value), f"{sign} {style.format(floor)}", "ok" if kept else "MISSED")
    table.add_row("mean cosine, one person / two people", f"{same:.2f} / {different:.2f}", "", "")
    table.add_row("clip frames nearest to their own person", f"{own:.2%}", "", "")
    CONSOLE.print(table, clips)

    numbers = Counter(tidy(label) for label in faces["label"].to_pylist())
    bytes_each = np.mean([len(image["bytes"]) for image in faces["image"].to_pylist()])
    CONSOLE.print(f"{faces.num_rows} crops of {len(numbers)} people, {min(numbers.values())} to {max(numbers.values())} each, "
                  f"{bytes_each:.0f} bytes a crop")
    pairs_of_names = [(alike[i, j], *np.array(list(centres))[[i, j]]) for i in range(len(centres)) for j in range(i)]
    CONSOLE.print("most alike: " + "; ".join(f"{a} and {b} {score:.2f}" for score, a, b in sorted(pairs_of_names, reverse=True)[:3]))
    for path in sorted((arguments.sample / "photos").glob("*.jpg")):
        CONSOLE.print(f"{path.name}: {len(confident_faces(cv2.imread(str(path))))} face(s)")
    if arguments.real:
        of_real = told_apart(parquet.read_table(arguments.real), recogniser, "real faces")
        CONSOLE.print(f"real people, for comparison: rank-1 {of_real[1]:.2%}, equal error rate {of_real[2]:.2%}, mean cosine "
                      f"{of_real[3]:.2f} / {of_real[4]:.2f}")
    raise SystemExit(f"{missed} figure(s) below the floor" if missed else 0)


if __name__ == "__main__":
    main()
