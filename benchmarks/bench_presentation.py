"""Claim: a photo that is held to the camera gets a hint, where it is turned too; what gets none.

Clips are made of one photo that moves and turns before a camera, of photo after photo, and of a
clip's frames as a screen shows them that is filmed again; a celebrity's photos are handed in as
photos. All go the way of the upload page and then that of an upload. Beside it the hint before:
landmarks that never move but by rotation, scale and shift. Honest are the clips as they are.

A hint is for whoever reviews an upload, and refuses nothing; a flag waits for a person. Flagged is
who is known by other photos, or by another clip.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet
from rich.console import Console
from rich.table import Column, Table

from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.faces.clip import ClipReport, report_on
from twin_matcher_dagster.faces.coverage import looks_flat, planar_residual
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.frame_collector import FaceCollector
from twin_matcher_dagster.faces.photo_set import extract_from_photos
from twin_matcher_dagster.faces.recheck import Recheck, recheck
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import encode_png, read_image
from twin_matcher_dagster.media.video import read_frames
from twin_matcher_dagster.recognition.intervals import interval_of_share
from twin_matcher_dagster.settings import PROJECT_ROOT, SAMPLE
from twin_matcher_dagster.uploads.resemblance import KNOWN_PERSON

DATA = PROJECT_ROOT.parent / "shared" / "data"
CONSOLE = Console(width=120)
FRAMES, EVERY_S = 30, 0.15
# Of a camera: width and height of a frame, focal length, and the height of a photo, in pixels.
WIDTH, HEIGHT, FOCAL, SHOWN = 640, 480, 900, 300
KNOWN_PHOTOS, PHOTOS, STILLS = 10, 24, 9
RESAMPLED = 2000
# A name that two women have.
TWO_WOMEN = "Gwyneth Paltrow"


@dataclass(frozen=True)
class Shown:
    """One attempt: what the page said, and what was found of the upload.

    Attributes:
        report: of the page.
        found: of the upload; None where the page refused.
        before: whether the landmarks of the upload never moved.
        known: whether the mean face is taken for that of the person it shows; None if not known.
    """

    report: ClipReport
    found: Recheck | None = None
    before: bool = False
    residual: float = np.nan
    known: bool | None = None


def shown(report: ClipReport, known: np.ndarray | None = None) -> Shown:
    """Hand in what the page found."""
    if report.refused:
        return Shown(report)
    encoded = [encode_png(face.image) for face in report.faces]
    found = recheck(encoded, load_recogniser(), load_sameness())
    points = [faces[0].landmarks for faces in map(detect_faces, found.pixels) if len(faces) == 1]
    alike = None if known is None else load_sameness().pair(found.template, known)
    same = None if alike is None else alike >= KNOWN_PERSON
    return Shown(report, found, looks_flat(points), planar_residual(points), same)


def filmed(frames: Sequence[np.ndarray]) -> ClipReport:
    """What the page says to frames of a clip."""
    collector = FaceCollector()
    for number, frame in enumerate(frames):
        collector.add(frame, number * EVERY_S)
    return report_on(collector)


# --- What is shown to the camera -----------------------------------------------------------------


def before_camera(
    image: np.ndarray, turn: float, shift: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """A frame that shows a flat picture, turned by so many radians, with the camera's noise."""
    import cv2

    height, width = image.shape[:2]
    distance = FOCAL * height / SHOWN
    lean, tilt = 0.15 * shift[0], 0.4 * turn * shift[1]
    rotation, _ = cv2.Rodrigues(np.array([tilt, turn, lean]))
    camera = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    moved = np.array([0.1 * width * shift[0], 0.05 * height * shift[1], distance])
    plane = camera @ np.c_[rotation[:, :2], moved]
    middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    frame = cv2.warpPerspective(
        image, plane @ middle, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderValue=(90, 90, 90)
    )
    return np.clip(frame + random.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)


def held_up(
    images: Sequence[np.ndarray], degrees: float, random: np.random.Generator
) -> list[np.ndarray]:
    """Frames of one photo, or photo after photo, that somebody moves and turns."""
    starts, pace = random.uniform(0, 2 * np.pi, 3), random.uniform(0.8, 1.6, 3)
    frames = []
    for number, angle in enumerate(np.linspace(0, 2 * np.pi, FRAMES)):
        turn, *shift = np.sin(starts + pace * angle)
        image = images[number * len(images) // FRAMES]
        frames.append(before_camera(image, np.radians(degrees) * turn, np.array(shift), random))
    return frames


def on_screen(frames: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Frames of a clip, filmed from a screen: stripes of its rows, glow, another gamma, blur."""
    import cv2

    rows = 1 + 0.06 * np.sin(np.arange(frames[0].shape[0]) * 2.1)[:, None, None]
    seen = []
    for frame in frames:
        lit = 255 * (frame / 255.0) ** 0.85 * rows * 0.9 + 12
        soft = cv2.GaussianBlur(np.clip(lit, 0, 255).astype(np.uint8), (0, 0), 1.0)
        seen.append(before_camera(soft, np.radians(6), random.uniform(-0.1, 0.1, 2), random))
    return seen


def clip_frames(path: Path) -> list[np.ndarray]:
    """So many of a clip."""
    frames = [frame.image for frame in read_frames(path)]
    chosen = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int)
    return [frames[place] for place in chosen]


def celebrities(data: Path) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Of each with photos enough what is known, and other photos."""
    real = data / "celebs" / "train.parquet"
    rows: dict[str, list[bytes]] = {}
    path = real if real.is_file() else SAMPLE / "faces.parquet"
    for row in parquet.read_table(path, columns=["image", "label"]).to_pylist():
        if row["label"] != TWO_WOMEN:
            rows.setdefault(celebrity_id(row["label"]), []).append(row["image"]["bytes"])
    for images in rows.values():
        if len(images) >= KNOWN_PHOTOS + PHOTOS:
            pictures = [read_image(data) for data in images[: KNOWN_PHOTOS + PHOTOS]]
            yield template_of(load_recogniser()(pictures[:KNOWN_PHOTOS])), pictures[KNOWN_PHOTOS:]


def photo_files(pictures: Sequence[np.ndarray]) -> ClipReport:
    """What the page says to photos."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.png" for number in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            path.write_bytes(encode_png(picture))
        return extract_from_photos(paths)


# --- Tables --------------------------------------------------------------------------------------


def share(found: Sequence[bool]) -> str:
    if not found:
        return ""
    low, high = interval_of_share(np.array(found), np.arange(len(found)))
    return f"{sum(found)} of {len(found)}: {100 * low:.0f} to {100 * high:.0f}%"


def in_order(honest: np.ndarray, flat: np.ndarray) -> str:
    """Share of pairs in which the flat clip moves less (AUC), 95% by bootstrap of clips."""
    random = np.random.default_rng(0)

    def area(one: np.ndarray, other: np.ndarray) -> float:
        return float((other[:, None] < one).mean())

    drawn = [
        area(random.choice(honest, len(honest)), random.choice(flat, len(flat)))
        for _ in range(RESAMPLED)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{area(honest, flat):.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=DATA, help="instead of ../shared/data")
    options.add_argument("--times", type=int, default=16, help="photos for each turn")
    given = options.parse_args()
    random = np.random.default_rng(0)
    made: dict[str, list[Shown]] = {}
    paths = [*sorted((SAMPLE / "clips").glob("*.mp4"))]
    paths += sorted((given.data / "videos").glob("one_person*.mp4"))
    clips = {path.stem: clip_frames(path) for path in paths}
    reports = {name: filmed(frames) for name, frames in clips.items()}
    made["honest clip"] = [shown(report) for report in reports.values()]
    strangers = given.data / "strangers" / "faces.parquet"
    if strangers.is_file():
        images = parquet.read_table(strangers, columns=["image"]).column("image").to_pylist()
        drawn = random.choice(len(images), 3 * given.times, replace=False)
        photos = [read_image(images[place]["bytes"]) for place in drawn]
    else:
        photos = [read_image(path.read_bytes()) for path in (SAMPLE / "photos").glob("*[aly].jpg")]
    for number, degrees in enumerate((0, 20, 35)):
        some = photos[number::3] if strangers.is_file() else photos
        made[f"one photo, turned by {degrees}"] = [
            shown(filmed(held_up([photo], degrees, random))) for photo in some
        ]
    people = list(celebrities(given.data))
    made["photos as photos"] = [shown(photo_files(photos), known) for known, photos in people]
    made["photo after photo"] = [
        shown(filmed(held_up(photos[:STILLS], 10, random)), known) for known, photos in people
    ]
    made["a screen, filmed"] = []
    for name, frames in clips.items():
        other = f"{name[:-1]}{3 - int(name[-1])}" if name[:3] != "one" else name
        known = template_of(load_recogniser()([face.image for face in reports[other].faces]))
        made["a screen, filmed"].append(shown(filmed(on_screen(frames, random)), known))
    table = Table(
        "shown",
        *(
            Column(n, justify="right")
            for n in ("taken by the page", "hint before", "hint now", "flagged, if known")
        ),
    )
    for kind, found in made.items():
        taken = [one for one in found if one.found]
        table.add_row(
            kind,
            f"{len(taken)} of {len(found)}",
            share([one.before for one in taken]),
            share([bool(one.found and one.found.flat) for one in taken]),
            share([one.known for one in taken if one.known is not None]),
        )
    CONSOLE.print(table)
    honest = np.array([one.residual for one in made["honest clip"] if one.found])
    for kind, found in made.items():
        if kind.startswith("one photo"):
            flat = np.array([one.residual for one in found if one.found])
            CONSOLE.print(f"{kind}: AUC {in_order(honest, flat)}, {len(honest)} honest clips")


if __name__ == "__main__":
    main()
