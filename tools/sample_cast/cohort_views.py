"""Photograph people of the cohort: two photos each, of two days, cut out as the package cuts out the faces of a visitor.

    python cohort_views.py 0 1 2          # numbers; GL gives memory back at the end only, so ten or so in a process

The person is the same on both days: shape, skin, hair, beard. Light, expression, pose, clothes, camera and framing are not.
"""
from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from actor import EXPRESSION_CHANCES, EXPRESSIONS, Actor, random_expression
from cast import Person
from people import cohort_person
from render_person import with_noise, write_image
from skin import SIZE
from sources import DEFAULT_WORK, HERE

sys.path.append(str(HERE.parent.parent))            # the package's own detector and alignment, which need no more than is here
from twin_matcher_dagster.faces.alignment import FACE_SIZE, align
from twin_matcher_dagster.faces.detection import detect_faces

VIEWS = 2
VIEW_SIZE = 320                         # eyes 50 pixels and more apart, as in the crop
MAX_YAW, MAX_PITCH, MAX_ROLL = 25, 12, 9
WIDE_AWAKE = 0.08                       # who is photographed opens the eyes; lids at rest look drowsy beside real photos
TRIES = 10


def folder_of(person: Person, work: Path) -> Path:
    return work / "cohort" / person.key


def is_done(person: Person, work: Path) -> bool:
    """Whether both photos are there, of this very person and not of one that the stream made before it was changed."""
    about = folder_of(person, work) / "about.json"
    return about.exists() and json.loads(about.read_text())["person"] == json.loads(json.dumps(asdict(person)))


def aligned_face(image: np.ndarray) -> np.ndarray | None:
    """The aligned crop (BGR) of the one face in a BGR image; nothing where RetinaFace finds none or two, there or in the crop."""
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    found = detect_faces(pixels)
    if len(found) != 1:
        return None
    crop = align(pixels, found[0].landmarks)
    return cv2.cvtColor(crop, cv2.COLOR_RGB2BGR) if len(detect_faces(crop)) == 1 else None


def developed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another camera: exposure, white balance, sharpness, noise."""
    balance = rng.uniform(0.85, 1.15) * (1 + rng.normal(0, 0.025, 3))
    image = np.clip(image.astype(np.float32) * balance, 0, 255)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.8))
    return with_noise(image, rng, rng.uniform(0.8, 3.0))


def photograph(actor: Actor, view: int, attempt: int, environment: str, kind: str) -> tuple[np.ndarray, dict]:
    """One photo and what it shows; every attempt has a random generator of its own."""
    rng = np.random.default_rng([actor.person.seed, 1000 + view, attempt])
    kind, expression = random_expression(rng, kind)
    expression["eyeBlink"] -= WIDE_AWAKE * (1 - actor.person.origins["asian"])       # whose lids rest higher anyway
    yaw, pitch, roll = (float(rng.uniform(-most, most)) for most in (MAX_YAW, MAX_PITCH, MAX_ROLL))
    actor.pose(expression, yaw, pitch, roll, gaze=float(rng.uniform(0.3, 1.0)))
    light = actor.light(rng, environment)
    camera = actor.camera(rng, (VIEW_SIZE, VIEW_SIZE), float(rng.uniform(1.5, 1.85)))
    image = developed(actor.photograph(camera, light), rng)
    return image, {"yaw": round(yaw, 1), "pitch": round(pitch, 1), "roll": round(roll, 1), "expression": kind,
                   "light": environment, "attempt": attempt}


def render(person: Person, work: Path) -> None:
    """Both photos of one person, the next attempt where no face is found, and what they show."""
    folder = folder_of(person, work)
    folder.mkdir(parents=True, exist_ok=True)
    actor = Actor(person, work / "sources", SIZE // 2)
    days = np.random.default_rng([person.seed, 7])
    places = days.choice(actor.renderer.environment_names(), VIEWS, replace=False)
    kinds = days.choice(EXPRESSIONS, VIEWS, replace=False, p=EXPRESSION_CHANCES)
    shots = []
    for view in range(VIEWS):
        before = actor.body.uniforms["cloth"]
        while actor.body.uniforms["cloth"] == before:
            actor.dress(days)
        for attempt in range(TRIES):
            image, shot = photograph(actor, view, attempt, str(places[view]), str(kinds[view]))
            crop = aligned_face(image)
            if crop is not None:
                break
        else:
            raise SystemExit(f"{person.key}: no face is found in any of {TRIES} photos of day {view}")
        write_image(folder / f"photo_{view}.png", image)
        write_image(folder / f"face_{view}.png", crop)
        shots.append(shot)
    temporary = folder / ".about.json"
    temporary.write_text(json.dumps({"person": asdict(person), "photos": shots}))
    temporary.rename(folder / "about.json")
    actor.renderer.context.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="+", type=int)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    arguments = parser.parse_args()
    for person in map(cohort_person, arguments.numbers):
        if not is_done(person, arguments.work):
            render(person, arguments.work)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
