"""Put the rendered files together: Parquet, people, clips, photos and the contact sheet.

    python assemble.py --target ../../twin_matcher_dagster/sample --sheet ../../docs/sample_cast.jpg
"""
from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from rich.progress import track

from cast import CAST, Person, everyone
from faces import crop_view, jpeg
from render_person import PAIR, PHOTO_PEOPLE
from sources import DEFAULT_WORK, HERE

SHARE_OF_UNTIDY_LABELS = 0.05
SHEET_VIEWS = 6
FEATURES = {"info": {"features": {"image": {"_type": "Image"}, "label": {"dtype": "string", "_type": "Value"}}}}
SCHEMA = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.string())],
                   metadata={b"huggingface": json.dumps(FEATURES).encode()})


def untidy(name: str, rng: np.random.Generator) -> str:
    """A label as careless people write it, so that the cleaning has something to do."""
    forms = (name.lower().replace(" ", "_"), name.replace(" ", "  "), name.upper(), name.replace(" ", "_"), f" {name.lower()} ")
    return str(rng.choice(forms))


def crops_of(person: Person, renders: Path, work: Path) -> list[tuple[str, np.ndarray]]:
    """Crops of the views with exactly one face, as many as the person is to have; kept between runs."""
    folder = work / "crops" / person.key
    folder.mkdir(parents=True, exist_ok=True)
    crops = []
    for view in sorted((renders / person.key).glob("view_*.png")):
        if len(crops) == person.crops:
            break
        kept = folder / view.name
        if not kept.exists() or kept.stat().st_mtime < view.stat().st_mtime:
            crop = crop_view(view)
            if crop is None:
                continue
            cv2.imwrite(str(kept), crop)
        crops.append((view.stem, cv2.imread(str(kept))))
    return crops


def write_parquet(crops: dict[str, list], path: Path) -> int:
    rng = np.random.default_rng(2024)
    rows = []
    for person in CAST:
        for stem, crop in crops[person.key]:
            label = untidy(person.name, rng) if rng.random() < SHARE_OF_UNTIDY_LABELS else person.name
            rows.append({"image": {"bytes": jpeg(crop), "path": f"{person.key}_{stem.removeprefix('view_')}.jpg"}, "label": label})
    order = rng.permutation(len(rows))
    table = pa.Table.from_pylist([rows[index] for index in order], schema=SCHEMA)
    parquet.write_table(table, path, compression="zstd", row_group_size=100)
    return len(rows)


def write_people(path: Path) -> None:
    """What the prediction page tells of a celebrity; users tell nothing of themselves."""
    people = {person.name: {"age": person.years, "nationality": person.nationality, "occupation": person.occupation,
                            "biography": person.biography, "invented": True} for person in CAST}
    path.write_text(json.dumps(people, indent=2, ensure_ascii=False) + "\n")


def write_clips_and_photos(renders: Path, target: Path) -> None:
    for folder in ("clips", "photos"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    for person in everyone():
        if person.role == "clip":
            for number in (1, 2):
                shutil.copyfile(renders / person.key / f"clip_{number}.mp4", target / "clips" / f"{person.key}_{number}.mp4")
        if person.key in PHOTO_PEOPLE:
            shutil.copyfile(renders / person.key / "photo.jpg", target / "photos" / f"{person.key}.jpg")
    left, right = (cv2.imread(str(renders / key / "pair.png"), cv2.IMREAD_UNCHANGED) for key in PAIR)
    cover = left[..., 3:].astype(np.float32) / 255
    both = left[..., :3] * cover + right[..., :3] * (1 - cover)
    noise = np.random.default_rng(5).normal(0, 1.2, both.shape)
    (target / "photos/two_people.jpg").write_bytes(jpeg(np.clip(both + noise, 0, 255).astype(np.uint8), 92))
    empty = cv2.imread(str(renders / PAIR[1] / "background.png"))
    empty = np.clip(empty + np.random.default_rng(6).normal(0, 1.5, empty.shape), 0, 255).astype(np.uint8)
    (target / "photos/no_face.jpg").write_bytes(jpeg(empty, 92))


def write_sheet(crops: dict[str, list], renders: Path, path: Path) -> None:
    """Two columns of people, each with views from left to right; clip people at the end."""
    rows = []
    for person in everyone():
        if person.role == "cast":
            picked = crops[person.key]
            yaws = [json.loads((renders / person.key / f"{stem}.json").read_text())["yaw"] for stem, _ in picked]
            order = np.argsort(yaws)[np.linspace(0, len(yaws) - 1, SHEET_VIEWS).round().astype(int)]
            tiles = [picked[index][1] for index in order]
        else:
            tiles = frames_for_sheet([renders / person.key / f"clip_{number}.mp4" for number in (1, 2)])
        label = np.full((160, 230, 3), 250, np.uint8)
        text = [person.name, f"{person.years}, {person.nationality}", person.occupation,
                f"{person.crops} crops" if person.crops else "two clips"]
        for line, words in enumerate(text):
            grey = (30, 30, 30) if line == 0 else (110, 110, 110)
            cv2.putText(label, words, (8, 55 + 24 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.48, grey, 1, cv2.LINE_AA)
        rows.append(np.hstack([label, *tiles]))
    half = (len(rows) + 1) // 2
    rows += [np.full_like(rows[0], 250)] * (2 * half - len(rows))
    sheet = np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(cv2.resize(sheet, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA), 85))


def frames_for_sheet(clips: list[Path]) -> list[np.ndarray]:
    tiles = []
    for clip in clips:
        capture = cv2.VideoCapture(str(clip))
        for frame in (0, 26, 84):
            capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
            ok, image = capture.read()
            if not ok:
                image = np.zeros((480, 640, 3), np.uint8)
            tiles.append(cv2.resize(image[60:420, 140:500], (160, 160), interpolation=cv2.INTER_AREA))
    return tiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--target", type=Path, default=HERE.parent.parent / "twin_matcher_dagster" / "sample")
    parser.add_argument("--sheet", type=Path, default=HERE.parent.parent / "docs" / "sample_cast.jpg")
    arguments = parser.parse_args()
    renders = arguments.work / "renders"
    arguments.target.mkdir(parents=True, exist_ok=True)
    crops = {person.key: crops_of(person, renders, arguments.work) for person in track(CAST, "cutting out faces")}
    number = write_parquet(crops, arguments.target / "faces.parquet")
    write_people(arguments.target / "people.json")
    write_clips_and_photos(renders, arguments.target)
    write_sheet(crops, renders, arguments.sheet)
    print(f"{number} crops of {len(CAST)} people in {arguments.target}")


if __name__ == "__main__":
    main()
