"""From renders of people who do not exist to faces with what the reference recogniser says of them.

Few people teach no general embedding. So most faces are made of two people's: crops are aligned, so
a soft mask or a blend of two gives a face of a third person, and a smooth warp gives it another
shape. What it is called does not matter: the recogniser looks at exactly the pixels that the
network will look at ("function matching", Beyer et al. 2022, https://arxiv.org/abs/2106.05237).
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.images import read_image
from twin_matcher_dagster.faces.recogniser import load_recogniser

SIZE = 112
SHARE_OF_ONE_PERSON = 0.3
_BATCH = 256


def crops_of(renders: Path) -> tuple[np.ndarray, np.ndarray]:
    """Aligned faces of all views.

    Args:
        renders: folder with one folder of ``view_*.png`` a person.

    Returns:
        uint8 RGB [n, 112, 112, 3], and int64 [n], whose face it is.
    """
    crops, people = [], []
    folders = sorted(renders.glob("random*"))
    for number, folder in enumerate(track(folders, "finding faces")):
        for path in sorted(folder.glob("view_*.png")):
            image = read_image(path)
            found = detect_faces(image)
            if len(found) == 1:
                crop = align(image, found[0].landmarks)
                crops.append(cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA))
                people.append(number)
    if not crops:
        raise SystemExit(f"There are no renders in {renders}: see README.md.")
    return np.stack(crops), np.array(people)


def compose(crops: np.ndarray, people: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Faces of one person and of two, warped and lit otherwise: uint8 RGB [count, 112, 112, 3]."""
    rng = np.random.default_rng(seed)
    made = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for number in track(range(count), "composing"):
        first = int(rng.integers(len(crops)))
        face = crops[first].astype(np.float32)
        if rng.random() > SHARE_OF_ONE_PERSON:
            other = int(rng.choice(np.flatnonzero(people != people[first])))
            mask = _mask(rng)[..., None]
            face = face * mask + crops[other] * (1 - mask)
        made[number] = _relight(rng, _warp(rng, face))
    return made


def _mask(rng: np.random.Generator) -> np.ndarray:
    """Which share of each pixel is the first person's: a blend, or one side of a soft line."""
    if rng.random() < 0.4:
        return np.full((SIZE, SIZE), rng.uniform(0.25, 0.75), np.float32)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    # Mostly across, so that eyes come from one and mouth or nose from the other.
    angle = np.pi / 2 + rng.normal(0, 0.5)
    distance = np.cos(angle) * x + np.sin(angle) * y - rng.uniform(-0.22, 0.22)
    mask = 1 / (1 + np.exp(-distance / rng.uniform(0.02, 0.06)))
    return (mask if rng.random() < 0.5 else 1 - mask).astype(np.float32)


def _warp(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """A smooth warp of up to some 4 pixels; the landmarks stay nearly where they are."""
    grid = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    strength = rng.uniform(0, 2.2)
    for axis in range(2):
        field = rng.normal(0, strength, (5, 5)).astype(np.float32)
        grid[axis] += cv2.resize(field, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        grid[1] = SIZE - 1 - grid[1]
    return cv2.remap(face, grid[1], grid[0], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _relight(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Another camera and another light: contrast, gamma, colour, sharpness, noise, JPEG."""
    face = np.clip(face / 255, 0, 1) ** rng.uniform(0.6, 1.6)
    face = face * rng.uniform(0.7, 1.2) * (1 + rng.normal(0, 0.08, 3)) + rng.uniform(-0.08, 0.08)
    if rng.random() < 0.12:
        face = np.repeat(face.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.4:
        side = int(rng.uniform(28, 100))
        face = cv2.resize(
            cv2.resize(face.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA),
            (SIZE, SIZE),
        )
    face = face + rng.normal(0, rng.uniform(0, 0.03), face.shape)
    bytes_ = (np.clip(face, 0, 1) * 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(35, 95))]
    encoded = cv2.imencode(".jpg", bytes_[..., ::-1], quality)[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]


def taught(faces: np.ndarray) -> np.ndarray:
    """The recogniser's vectors, float32 [n, 128]."""
    recogniser = load_recogniser()
    parts = range(0, len(faces), _BATCH)
    return np.concatenate(
        [recogniser(faces[n : n + _BATCH]) for n in track(parts, "asking the recogniser")]
    )
