"""Make the cohort of strangers: renders what is missing, then puts all of it into one Parquet file.

    python cohort.py                      # what ships; stop it and start it again at will
    python cohort.py --people 600 --target /tmp/cohort.parquet

It writes ``twin_matcher_dagster/sample/cohort.parquet``. What networks say of exactly these photos lies beside that file: after another
number of people run ``tools/likeness_network/cohort_vectors.py`` too.

One row a photo, two photos a person: ``image`` (160 x 160, aligned as the package aligns), ``person`` ("s-00012"), ``view`` (0 or 1),
and what is true of the person, the same in both rows:

- ``years``, ``gender``, ``origins`` (shares: caucasian, asian, african), ``tone`` (of the skin, 0 very pale to 6 very dark),
  ``hair`` (the style), ``hair_colour`` (linear red, green, blue; grey strands counted in), ``eyes``, ``beard``, ``weight`` (-1 to 1);
- ``shape``: numbers whose Euclidean distance between two people is how far apart the vertices of their neutral faces are, root mean
  square, in millimetres on a face of the cohort's mean size, see ``face_shape.py``. What 48 components leave out is not in it.

This truth is for measuring alone: whether twins are alike, whether all kinds of people are served alike. The product predicts none
of it, shows none of it, and nothing that it learns or decides from may read ``gender``, ``origins``, ``years`` or ``tone`` of anybody.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from rich.progress import track

from cast import Person
from cohort_views import VIEWS, folder_of, is_done
from face_shape import shapes_of
from faces import jpeg
from people import cohort_person
from sources import DEFAULT_WORK, HERE, prepare
from truth import COLUMNS, truth_of

TOGETHER = 10                           # people in a process: what it reads it reads once
QUALITY = 85
LARGEST = 6_000_000                     # bytes of the file
SHEET_COLUMNS = 10


NAMES = {pa.string(): "string", pa.int32(): "int32", pa.float32(): "float32"}


def schema() -> pa.Schema:
    """Columns, with the Hugging Face features that make ``image`` an image, as ``dataset/schema.py`` has them."""
    features = {"image": {"_type": "Image"}}
    columns = {"person": pa.string(), "view": pa.int32(), **COLUMNS}
    for name, kind in columns.items():
        value = {"dtype": NAMES[kind.value_type if pa.types.is_list(kind) else kind], "_type": "Value"}
        features[name] = {"feature": value, "_type": "List"} if pa.types.is_list(kind) else value
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.schema({"image": image, **columns}, {"huggingface": json.dumps({"info": {"features": features}})})


def render_missing(people: list[Person], work: Path) -> None:
    """Ten people to a process, one process after the other."""
    missing = [person for person in people if not is_done(person, work)]
    start, seconds = os.times(), time.perf_counter()
    groups = [missing[first : first + TOGETHER] for first in range(0, len(missing), TOGETHER)]
    for group in track(groups, f"rendering {len(missing)} people"):
        numbers = [str(int(person.key.removeprefix("s-"))) for person in group]
        subprocess.run([sys.executable, str(HERE / "cohort_views.py"), *numbers, "--work", str(work)], check=True)
    if missing:
        end = os.times()
        busy = (end.children_user + end.children_system - start.children_user - start.children_system) / len(missing)
        each = (time.perf_counter() - seconds) / len(missing)
        print(f"{len(missing)} people rendered, each in {each:.1f} s, {busy:.1f} s of processor time")


def write_parquet(people: list[Person], shapes: np.ndarray, work: Path, path: Path) -> int:
    """Both photos of everybody, one after the other; returns the size of the file."""
    rows = []
    for person, shape in zip(people, shapes, strict=True):
        for view in range(VIEWS):
            face = jpeg(cv2.imread(str(folder_of(person, work) / f"face_{view}.png")), QUALITY)
            rows.append({"image": {"bytes": face, "path": None}, "person": person.key, "view": view, **truth_of(person, shape)})
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema()), path, compression="zstd", row_group_size=100)
    return path.stat().st_size


def write_sheet(people: list[Person], work: Path, path: Path) -> None:
    """Both photos of each, one above the other."""
    tiles = []
    for person in people:
        faces = [cv2.imread(str(folder_of(person, work) / f"face_{view}.png")) for view in range(VIEWS)]
        label = np.full((20, faces[0].shape[1], 3), 250, np.uint8)
        words = f"{person.key[-4:]} {person.gender[0]} {person.years} {person.hair}"
        cv2.putText(label, words, (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
        tiles.append(np.vstack([label, *faces]))
    tiles += [np.full_like(tiles[0], 250)] * (-len(tiles) % SHEET_COLUMNS)
    rows = [np.hstack(tiles[first : first + SHEET_COLUMNS]) for first in range(0, len(tiles), SHEET_COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--target", type=Path, default=HERE.parent.parent / "twin_matcher_dagster" / "sample" / "cohort.parquet")
    parser.add_argument("--sheet", type=Path, help="also a picture of the first people here, to look at")
    parser.add_argument("--sheet-people", type=int, default=60)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    sources = prepare(arguments.work)
    people = [cohort_person(number) for number in range(arguments.people)]
    render_missing(people, arguments.work)
    shapes, about = shapes_of(people, sources)
    size = write_parquet(people, shapes, arguments.work, arguments.target)
    if arguments.sheet:
        write_sheet(people[: arguments.sheet_people], arguments.work, arguments.sheet)
    print(f"{VIEWS * len(people)} photos of {len(people)} people in {arguments.target}, {size / 1e6:.2f} MB; shape: {about}")
    if size > LARGEST:
        raise SystemExit(f"the file is larger than {LARGEST / 1e6:.0f} MB: fewer people, or a lower QUALITY")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("stopped; start again to continue") from None
