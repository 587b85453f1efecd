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
# Rows and columns from -0.5 to 0.5.
_GRID = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE - 0.5


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
    """Faces of one person and of two, shaped, lit and placed otherwise.

    Renders are tidier than photos are. What a photo has and a render lacks (a lively background,
    things in the way, hard light, strong colours, a crop that is not quite right) is put on top.

    Returns:
        uint8 RGB [count, 112, 112, 3].
    """
    rng = np.random.default_rng(seed)
    made = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for number in track(range(count), "composing"):
        first = int(rng.integers(len(crops)))
        face = crops[first].astype(np.float32)
        if rng.random() > SHARE_OF_ONE_PERSON:
            other = int(rng.choice(np.flatnonzero(people != people[first])))
            face = _mixed(crops[other], face, _mask(rng))
        face = _warp(rng, face) / 255
        if rng.random() < 0.5:
            face = _mixed(face, _clutter(rng), _around(rng))
        if rng.random() < 0.2:
            face = _mixed(face, _clutter(rng) * rng.uniform(0, 1), _in_the_way(rng))
        made[number] = _photographed(rng, face)
    return made


def _mask(rng: np.random.Generator) -> np.ndarray:
    """Which share of each pixel is the first person's: a blend, or one side of a soft line."""
    if rng.random() < 0.4:
        return np.full((SIZE, SIZE), rng.uniform(0.25, 0.75), np.float32)
    y, x = _GRID
    # Mostly across, so that eyes come from one and mouth or nose from the other.
    angle = np.pi / 2 + rng.normal(0, 0.5)
    distance = np.cos(angle) * x + np.sin(angle) * y - rng.uniform(-0.22, 0.22)
    mask = _sigmoid(distance / rng.uniform(0.02, 0.06))
    return (mask if rng.random() < 0.5 else 1 - mask).astype(np.float32)


def _warp(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """A smooth warp of up to some 4 pixels, and a crop that is turned, moved and scaled."""
    y, x = _GRID
    angle, scale = rng.normal(0, 0.08), np.exp(rng.normal(0, 0.06))
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    mirror = 1 if rng.random() < 0.5 else -1
    places = [
        (cos * x - sin * y) * mirror + rng.normal(0, 0.02),
        sin * x + cos * y + rng.normal(0, 0.02),
    ]
    strength = rng.uniform(0, 2.2)
    maps = []
    for place in places:
        field = rng.normal(0, strength, (5, 5)).astype(np.float32)
        field = cv2.resize(field, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        maps.append(((place + 0.5) * SIZE + field).astype(np.float32))
    # Alignment leaves black corners, or none.
    border = cv2.BORDER_CONSTANT if rng.random() < 0.3 else cv2.BORDER_REPLICATE
    return cv2.remap(face, *maps, cv2.INTER_LINEAR, borderMode=border)


def _clutter(rng: np.random.Generator) -> np.ndarray:
    """Something coloured, coarse or fine, soft or with edges: float32 [112, 112, 3], 0 to 1."""
    picture = np.zeros((SIZE, SIZE, 3), np.float32)
    for cells in rng.choice([1, 2, 4, 8, 16, 48], rng.integers(1, 4), replace=False):
        field = rng.random((cells, cells, 3)).astype(np.float32)
        how = cv2.INTER_NEAREST if rng.random() < 0.25 else cv2.INTER_CUBIC
        field = cv2.resize(field, (SIZE, SIZE), interpolation=how)
        if rng.random() < 0.3:
            field = (field > 0.5).astype(np.float32)
        grey = field.mean(2, keepdims=True)
        picture = picture + grey + (field - grey) * rng.uniform(0, 1.5)
    picture = (picture - picture.min()) / max(float(np.ptp(picture)), 1e-3)
    return np.clip(picture * rng.uniform(0.3, 1.2) + rng.uniform(-0.2, 0.3), 0, 1)


def _around(rng: np.random.Generator) -> np.ndarray:
    """A mask of what is not the face: outside of an ellipse."""
    y, x = _GRID
    wide, high = rng.uniform(0.34, 0.52), rng.uniform(0.44, 0.62)
    distance = np.hypot(x / wide, (y - rng.uniform(-0.04, 0.06)) / high) - 1
    return _sigmoid(distance / rng.uniform(0.02, 0.1))


def _in_the_way(rng: np.random.Generator) -> np.ndarray:
    """A mask of glasses, a hand, a strand of hair: a soft-edged bar or spot."""
    y, x = _GRID
    if rng.random() < 0.4:
        # Where the eyes are.
        across, down = np.abs(x), y + 0.08
        inside = np.hypot((across - 0.17) / rng.uniform(0.12, 0.18), down / rng.uniform(0.08, 0.13))
    else:
        angle = rng.uniform(0, np.pi)
        along = np.cos(angle) * (x - rng.uniform(-0.4, 0.4)) + np.sin(angle) * y
        over = -np.sin(angle) * x + np.cos(angle) * (y - rng.uniform(-0.4, 0.4))
        inside = np.hypot(along / rng.uniform(0.05, 0.4), over / rng.uniform(0.03, 0.2))
    return _sigmoid((1 - inside) / rng.uniform(0.03, 0.2)) * rng.uniform(0.6, 1)


def _mixed(face: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    share = mask[..., None].astype(np.float32)
    return face * (1 - share) + other * share


def _photographed(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Another camera and another light; noise and JPEG: uint8 RGB."""
    y, x = _GRID
    face = np.clip(face, 0, 1) ** rng.uniform(0.6, 1.6)
    grey = face.mean(2, keepdims=True)
    face = grey + (face - grey) * (0 if rng.random() < 0.12 else rng.uniform(0.4, 2.0))
    face = (face - face.mean()) * rng.uniform(0.7, 1.7) + rng.uniform(0.25, 0.65)
    face = (
        face * (1 + rng.normal(0, 0.08, 3))
        + (x * rng.normal(0, 0.2) + y * rng.normal(0, 0.15))[..., None]
    )
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


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def taught(faces: np.ndarray) -> np.ndarray:
    """The recogniser's vectors, float32 [n, 128]."""
    recogniser = load_recogniser()
    parts = range(0, len(faces), _BATCH)
    return np.concatenate(
        [recogniser(faces[n : n + _BATCH]) for n in track(parts, "asking the recogniser")]
    )
