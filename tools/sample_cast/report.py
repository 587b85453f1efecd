"""Print the quality figures: in how many views and clip frames RetinaFace finds exactly one face above 0.9.

    python report.py
"""
from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as parquet
from rich.progress import track

from faces import confident_faces
from sources import DEFAULT_WORK, HERE


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


def share_of_one(counts: list[int]) -> str:
    return f"{100 * np.mean(np.array(counts) == 1):.1f}% ({sum(c == 1 for c in counts)} of {len(counts)})" if counts else "none rendered"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--sample", type=Path, default=HERE.parent.parent / "twin_matcher_dagster" / "sample")
    arguments = parser.parse_args()
    views = sorted((arguments.work / "renders").glob("*/view_*.png"))
    counts = []
    for path in track(views, "views"):
        counts.append(len(confident_faces(cv2.imread(str(path)))))
        if counts[-1] != 1:
            print(f"  {path.parent.name}/{path.name}: {counts[-1]} faces")
    print(f"rendered views with exactly one face: {share_of_one(counts)}")
    everything = []
    for path in sorted((arguments.sample / "clips").glob("*.mp4")):
        found = [len(confident_faces(image)) for image in frames_every_100_ms(path)]
        everything += found
        print(f"{path.name}: {share_of_one(found)}, {path.stat().st_size / 1000:.0f} kB")
    print(f"clip frames with exactly one face: {share_of_one(everything)}")
    for path in sorted((arguments.sample / "photos").glob("*.jpg")):
        print(f"{path.name}: {len(confident_faces(cv2.imread(str(path))))} face(s)")
    table = parquet.read_table(arguments.sample / "faces.parquet")
    names = Counter(" ".join(label.replace("_", " ").split()).title() for label in table["label"].to_pylist())
    sizes = [len(image["bytes"]) for image in table["image"].to_pylist()]
    print(f"faces.parquet: {table.num_rows} crops, {np.mean(sizes):.0f} bytes each on average")
    for name, number in names.most_common():
        print(f"  {number:3d}  {name}")
    total = sum(path.stat().st_size for path in arguments.sample.rglob("*") if path.is_file())
    print(f"the sample: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
