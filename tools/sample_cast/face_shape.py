"""The true shape of the cohort's faces, as few numbers that distances can be taken of.

The neutral head (no expression, lids as they are modelled) is known at every vertex. Of these the face counts: what is seen from
the front or from 45 degrees on either side, from below the chin to the hairline, without ears, neck, mouth cavity and eye
sockets. The mesh is denser around eyes, nose and lips, so these weigh more than cheeks and forehead of the same area.
"""
from __future__ import annotations

import functools
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from actor import neutral_vertices
from cast import Person
from geometry import BaseMesh, load_base, read_target

HAIRLINE = 8.05                                                 # y on the base mesh, in decimetres
JAW_Z, JAW_Y = (0.35, 0.90, 1.10), (6.60, 6.25, 6.10)           # the edge of the jaw, from the ear to the chin; below it is the neck
OCCLUDERS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth")
SIDES = (-45, 0, 45)
MAX_COMPONENTS, VARIANCE = 48, 0.99
MM = 100                                                        # in a decimetre


@functools.cache
def face_vertices(sources: Path) -> np.ndarray:
    """Indices (n,) of the vertices of the face, the same for everybody."""
    base = load_base(sources)
    ears = [read_target(sources / f"mpfb2/targets/ears/{side}-ear-scale-incr.target.gz")[0] for side in "lr"]
    found = np.setdiff1d(base.group_vertices("body"), np.concatenate(ears))
    y, z = base.vertices[found, 1], base.vertices[found, 2]
    found = found[(y > np.interp(z, JAW_Z, JAW_Y)) & (y < HAIRLINE) & (z > JAW_Z[0])]
    return found[np.any([seen(base, found, side) for side in SIDES], 0)]


def crossed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The cross product of the first two coordinates."""
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def seen(base: BaseMesh, indices: np.ndarray, degrees: float) -> np.ndarray:
    """Which vertices nothing of the head hides from a camera far away, so many degrees to the side."""
    turn = math.radians(degrees)
    turned = base.vertices @ np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
    quads = np.concatenate([base.faces[name] for name in OCCLUDERS])
    quads = quads[(base.vertices[quads][..., 1] > JAW_Y[-1] - 0.5).all(1)]
    a, b, c = turned[np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).T]
    area = crossed(b - a, c - a)
    area = np.where(np.abs(area) < 1e-12, np.nan, area)
    visible = []
    for point in turned[indices]:
        second = crossed(point - a, c - a) / area
        third = crossed(b - a, point - a) / area
        inside = (second > -1e-6) & (third > -1e-6) & (second + third < 1 + 1e-6)      # edges lie in the middle of the face
        depth = a[inside, 2] + second[inside] * (b - a)[inside, 2] + third[inside] * (c - a)[inside, 2]
        visible.append(not (depth > point[2] + 0.01).any())
    return np.array(visible)


def superimposed(shapes: np.ndarray) -> np.ndarray:
    """Generalised Procrustes alignment (Gower 1975) of shapes (people, n, 3): shift, rotation and scale are taken off.

    All get the mean size of the people, as nothing in an aligned photo tells how large a head is.
    """
    shapes = shapes - shapes.mean(1, keepdims=True)
    sizes = np.sqrt((shapes**2).sum((1, 2)))
    shapes = shapes / sizes[:, None, None]
    mean = shapes[0]
    for _ in range(20):
        left, _, right = np.linalg.svd(np.swapaxes(shapes, 1, 2) @ mean)
        left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]          # no mirror images
        shapes = shapes @ (left @ right)
        before, mean = mean, shapes.mean(0) / np.linalg.norm(shapes.mean(0))
        if np.abs(mean - before).max() < 1e-9:
            break
    return shapes * sizes.mean()


def head_of(person: Person, sources: Path) -> np.ndarray:
    """The neutral head's vertices (n, 3)."""
    return neutral_vertices(person, sources, np.random.default_rng(person.seed))


def shapes_of(people: list[Person], sources: Path) -> tuple[np.ndarray, str]:
    """Shape vectors (people, at most 48) float32 whose Euclidean distance is the RMS distance of the vertices in millimetres.

    The second value says in a line how many numbers there are and what they leave out.
    """
    face, base = face_vertices(sources), load_base(sources)
    with ProcessPoolExecutor() as pool:
        heads = list(pool.map(functools.partial(head_of, sources=sources), people, chunksize=10))
    faces = np.stack([head[face] for head in heads])
    eyes = [base.group_vertices(f"joint-{side}-eye") for side in "lr"]
    apart = [np.linalg.norm(head[eyes[0]].mean(0) - head[eyes[1]].mean(0)) for head in heads]
    grown = np.sqrt(((faces - faces.mean(1, keepdims=True)) ** 2).sum((1, 2)))
    between = MM * grown.mean() * float(np.mean(np.array(apart) / grown))
    aligned = MM * superimposed(faces).reshape(len(people), -1)
    left, values, right = np.linalg.svd(aligned - aligned.mean(0), full_matrices=False)
    share = np.cumsum(values**2) / (values**2).sum()
    count = min(MAX_COMPONENTS, int(np.searchsorted(share, VARIANCE)) + 1)
    largest = right[np.arange(len(right)), np.abs(right).argmax(1)]
    scores = (left * values * np.sign(largest))[:, :count] / math.sqrt(len(face))
    return scores.astype(np.float32), (f"{count} components of {len(face)} vertices keep {share[count - 1]:.2%} of the variance; "
                                       f"the eyes are {between:.1f} mm apart on average")
