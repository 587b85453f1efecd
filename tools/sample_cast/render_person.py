"""Render a person, or a few: views for the data set, and for some people clips and photos.

    python render_person.py mira --views 50
    python render_person.py amara --clips --photo

What is there already is kept. Every view has its own random generator, so a view does not depend on which
others were rendered before it.
"""
from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import cv2
import numpy as np

from actor import Actor, random_expression
from people import person_of
from skin import SIZE
from sources import DEFAULT_WORK

VIEW_SIZE = 400
GOLDEN = (5**0.5 - 1) / 2                # steps of this share of the range never come close to each other
CLIP_SIZE = (640, 480)
CLIP_FRAMES = 112
CLIP_RENDER_SIZE = (800, 600)
PAIR = ("ines", "kwabena")              # side by side in two_people.jpg
PHOTO_PEOPLE = {"mira": "city", "rory": "esplanade", "amara": "city", "teodor": "hall", "keiko": "dawn", "rafael": "forest"}  # and the light
PHOTO_EXPRESSION = {"mouthSmileRight": 0.55, "mouthSmileLeft": 0.30, "browOuterUpRight": 0.45, "mouthDimple": 0.35}


def with_noise(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A sensor's noise."""
    return np.clip(image + rng.normal(0, strength, image.shape), 0, 255).astype(np.uint8)


def render_views(actor: Actor, folder: Path, count: int, size: int) -> None:
    """Views with yaw spread evenly over -40..40 degrees, however many there are, and everything else at random."""
    person = actor.person
    start = np.random.default_rng([person.seed, 1]).random()
    for index in range(count):
        path = folder / f"view_{index:03d}.png"
        if path.exists():
            continue
        rng = np.random.default_rng([person.seed, 1000 + index])
        actor.dress(np.random.default_rng([person.seed, 2000 + index // 7]))
        yaw = -40 + 80 * ((start + index * GOLDEN) % 1)
        pitch, roll = rng.uniform(-15, 15), rng.uniform(-9, 9)
        kind, expression = random_expression(rng)
        actor.pose(expression, yaw, pitch, roll, gaze=float(rng.uniform(0.3, 1.0)))
        light = actor.light(rng)
        camera = actor.camera(rng, (size, size), float(rng.uniform(1.5, 1.9)))
        image = with_noise(actor.photograph(camera, light), rng, rng.uniform(0.8, 2.2))
        about = {"yaw": round(yaw, 1), "pitch": round(pitch, 1), "roll": round(roll, 1), "expression": kind, "light": light.environment}
        path.with_suffix(".json").write_text(json.dumps(about))
        write_image(path, image)


def render_clip(actor: Actor, path: Path, number: int) -> None:
    """A clip of 4.5 seconds: the head turns to both sides, the person blinks and smiles a little."""
    import av  # only clips need it

    rng = np.random.default_rng([actor.person.seed, 3000 + number])
    actor.dress(np.random.default_rng([actor.person.seed, 3100 + number]))
    light = actor.light(rng, environment=("lobby", "park", "studio", "venice")[(actor.person.seed + 2 * number) % 4])
    camera = actor.camera(rng, CLIP_RENDER_SIZE, 2.3, jitter=0.03)
    phase, nod = (0.0, 1.6) if number == 1 else (math.pi, 1.1)
    blinks = np.array([0.9, 2.7]) + rng.uniform(0, 0.8, 2)
    temporary = path.with_suffix(".part.mp4")
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *CLIP_SIZE, "yuv420p"
        stream.options = {"crf": "24", "preset": "slow", "threads": "2"}
        for frame in range(CLIP_FRAMES):
            share, seconds = frame / (CLIP_FRAMES - 1), frame / 25
            yaw = 42 * math.sin(2 * math.pi * share + phase)
            pitch = 6 * math.sin(2 * math.pi * nod * share + 1 + number)
            lids = max(0.0, 1 - np.abs(seconds - blinks).min() / 0.13)
            expression = {"eyeBlink": 0.9 * lids, "mouthSmile": 0.5 * max(0.0, math.sin(math.pi * (share * 2 - number + 0.4)))}
            actor.pose(expression, yaw, pitch, 2.5 * math.sin(5 * share + number))
            image = cv2.resize(actor.photograph(camera, light), CLIP_SIZE, interpolation=cv2.INTER_AREA)
            image = with_noise(image, rng, 1.2)
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    temporary.rename(path)


def render_photo(actor: Actor, path: Path) -> None:
    """One full-frame photo with a light and an expression that no other file has."""
    rng = np.random.default_rng([actor.person.seed, 4000])
    actor.dress(np.random.default_rng([actor.person.seed, 4100]))
    actor.pose(PHOTO_EXPRESSION, float(rng.uniform(-25, 25)), float(rng.uniform(-6, 6)), float(rng.uniform(-4, 4)))
    size = (640, 640) if actor.person.role == "cast" else (800, 600)
    camera = actor.camera(rng, size, 2.6, jitter=0.05)
    image = with_noise(actor.photograph(camera, actor.light(rng, environment=PHOTO_PEOPLE[actor.person.key]), supersample=2), rng, 1.2)
    write_image(path, image, quality=92)


def render_half_of_pair(actor: Actor, folder: Path) -> None:
    """This person's half of the photo of two, with coverage in the fourth channel; and the empty background."""
    side = PAIR.index(actor.person.key) * 2 - 1
    light_rng = np.random.default_rng(77)
    actor.dress(np.random.default_rng([actor.person.seed, 5100]))
    actor.pose({"mouthSmile": 0.35, "cheekSquint": 0.2}, -side * 14.0, 2.0, side * 2.0)
    light = actor.light(light_rng, environment="esplanade")
    camera = actor.camera(np.random.default_rng(78), (800, 600), 2.6, jitter=0.0)
    camera.height = 5.6
    camera.target = camera.target - np.array([side * 1.55, 0, 0])
    camera.eye = camera.eye - np.array([side * 1.55, 0, 0])
    image, coverage = actor.photograph_with_coverage(camera, light)
    write_image(folder / "pair.png", np.dstack([image, coverage]))
    if side > 0:
        light.rotation += 2.2
        write_image(folder / "background.png", actor.renderer.render([], actor.head, actor.between_eyes, camera, light))


def write_image(path: Path, image: np.ndarray, quality: int = 90) -> None:
    """Write under another name first, so that an interrupted run leaves no half file behind."""
    temporary = path.with_name(f".{path.name}")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    temporary.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())
    temporary.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", nargs="+", help="keys of cast.py, or random<number>; GL gives memory back at the end only")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--views", type=int, default=0)
    parser.add_argument("--view-size", type=int, default=VIEW_SIZE, help="side of a view in pixels; small ones get a smaller skin")
    parser.add_argument("--clips", action="store_true")
    parser.add_argument("--photo", action="store_true")
    parser.add_argument("--pair", action="store_true")
    arguments = parser.parse_args()
    for key in arguments.people:
        render(key, arguments)


def render(key: str, arguments: argparse.Namespace) -> None:
    """What is missing of one person."""
    folder = arguments.work / "renders" / key
    folder.mkdir(parents=True, exist_ok=True)
    missing = [f"view_{index:03d}.png" for index in range(arguments.views)]
    missing += ["clip_1.mp4", "clip_2.mp4"] * arguments.clips + ["photo.jpg"] * arguments.photo + ["pair.png"] * arguments.pair
    missing = [name for name in missing if not (folder / name).exists()]
    if not missing:
        return
    skin_size = SIZE if arguments.view_size >= VIEW_SIZE else SIZE // 2
    actor = Actor(person_of(key), arguments.work / "sources", skin_size)
    if "photo.jpg" in missing:
        render_photo(actor, folder / "photo.jpg")
    if "pair.png" in missing:
        render_half_of_pair(actor, folder)
    for number in (1, 2):
        if f"clip_{number}.mp4" in missing:
            render_clip(actor, folder / f"clip_{number}.mp4", number)
    render_views(actor, folder, arguments.views, arguments.view_size)
    actor.renderer.context.release()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
