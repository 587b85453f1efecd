"""The parametric head: base mesh, shape targets, expressions, subdivision (all data CC0, hm08 mesh).

Units are decimetres, y is up and the face looks along +z.
"""
from __future__ import annotations

import functools
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sparse

AMPLITUDE = 0.55  # of the random local face targets; above 0.6 faces turn into caricatures, unless eyes and brows stay calm
CALM = {"eyes": 0.42, "eyebrows": 0.25}  # the amplitude in faces that are shaped more strongly: else lids droop, brows fold
HEAD_SHAPES = ("head-diamond", "head-invertedtriangular", "head-oval", "head-rectangular", "head-round",
               "head-square", "head-triangular")
# Pairs "group/target-low|target-high"; '?' stands for the sides l and r.
LOCAL_TARGETS = """
head/head-age-decr|head-age-incr head/head-angle-in|head-angle-out head/head-fat-decr|head-fat-incr
head/head-scale-depth-decr|head-scale-depth-incr head/head-scale-horiz-decr|head-scale-horiz-incr
head/head-scale-vert-decr|head-scale-vert-incr
forehead/forehead-nubian-decr|forehead-nubian-incr forehead/forehead-scale-vert-decr|forehead-scale-vert-incr
forehead/forehead-temple-decr|forehead-temple-incr forehead/forehead-trans-backward|forehead-trans-forward
eyebrows/eyebrows-angle-down|eyebrows-angle-up eyebrows/eyebrows-trans-backward|eyebrows-trans-forward
eyebrows/eyebrows-trans-down|eyebrows-trans-up
eyes/?-eye-bag-decr|?-eye-bag-incr eyes/?-eye-corner1-down|?-eye-corner1-up
eyes/?-eye-corner2-down|?-eye-corner2-up eyes/?-eye-eyefold-angle-down|?-eye-eyefold-angle-up
eyes/?-eye-eyefold-concave|?-eye-eyefold-convex eyes/?-eye-eyefold-down|?-eye-eyefold-up
eyes/?-eye-height1-decr|?-eye-height1-incr eyes/?-eye-height2-decr|?-eye-height2-incr
eyes/?-eye-height3-decr|?-eye-height3-incr eyes/?-eye-push1-in|?-eye-push1-out
eyes/?-eye-push2-in|?-eye-push2-out eyes/?-eye-scale-decr|?-eye-scale-incr
eyes/?-eye-trans-down|?-eye-trans-up eyes/?-eye-trans-in|?-eye-trans-out
nose/nose-base-down|nose-base-up nose/nose-compression-compress|nose-compression-uncompress
nose/nose-curve-concave|nose-curve-convex nose/nose-flaring-decr|nose-flaring-incr
nose/nose-greek-decr|nose-greek-incr nose/nose-hump-decr|nose-hump-incr
nose/nose-nostrils-angle-down|nose-nostrils-angle-up nose/nose-nostrils-width-decr|nose-nostrils-width-incr
nose/nose-point-down|nose-point-up nose/nose-point-width-decr|nose-point-width-incr
nose/nose-scale-depth-decr|nose-scale-depth-incr nose/nose-scale-horiz-decr|nose-scale-horiz-incr
nose/nose-scale-vert-decr|nose-scale-vert-incr nose/nose-volume-decr|nose-volume-incr
nose/nose-width1-decr|nose-width1-incr nose/nose-width2-decr|nose-width2-incr
nose/nose-width3-decr|nose-width3-incr nose/nose-trans-down|nose-trans-up
mouth/mouth-angles-down|mouth-angles-up mouth/mouth-cupidsbow-decr|mouth-cupidsbow-incr
mouth/mouth-lowerlip-height-decr|mouth-lowerlip-height-incr mouth/mouth-lowerlip-volume-decr|mouth-lowerlip-volume-incr
mouth/mouth-lowerlip-width-decr|mouth-lowerlip-width-incr mouth/mouth-philtrum-volume-decr|mouth-philtrum-volume-incr
mouth/mouth-scale-horiz-decr|mouth-scale-horiz-incr mouth/mouth-scale-vert-decr|mouth-scale-vert-incr
mouth/mouth-trans-down|mouth-trans-up mouth/mouth-trans-backward|mouth-trans-forward
mouth/mouth-upperlip-height-decr|mouth-upperlip-height-incr mouth/mouth-upperlip-volume-decr|mouth-upperlip-volume-incr
mouth/mouth-laugh-lines-in|mouth-laugh-lines-out
chin/chin-bones-decr|chin-bones-incr chin/chin-cleft-decr|chin-cleft-incr chin/chin-height-decr|chin-height-incr
chin/chin-jaw-drop-decr|chin-jaw-drop-incr chin/chin-prognathism-decr|chin-prognathism-incr
chin/chin-prominent-decr|chin-prominent-incr chin/chin-width-decr|chin-width-incr
cheek/?-cheek-bones-decr|?-cheek-bones-incr cheek/?-cheek-inner-decr|?-cheek-inner-incr
cheek/?-cheek-trans-down|?-cheek-trans-up cheek/?-cheek-volume-decr|?-cheek-volume-incr
ears/?-ear-rot-backward|?-ear-rot-forward ears/?-ear-scale-decr|?-ear-scale-incr
ears/?-ear-wing-decr|?-ear-wing-incr ears/?-ear-lobe-decr|?-ear-lobe-incr
neck/neck-double-decr|neck-double-incr neck/neck-scale-horiz-decr|neck-scale-horiz-incr
""".split()


@dataclass
class BaseMesh:
    """Vertices, texture coordinates and the quads of every named group of the base mesh."""

    vertices: np.ndarray
    uv: np.ndarray
    faces: dict[str, np.ndarray]
    face_uv: dict[str, np.ndarray]

    def group_vertices(self, *names: str) -> np.ndarray:
        return np.unique(np.concatenate([self.faces[name].ravel() for name in names]))


@functools.cache
def load_base(sources: Path) -> BaseMesh:
    """Read the Wavefront file; every face of it is a quad."""
    vertices, uv, faces, face_uv, group = [], [], {}, {}, ""
    for line in (sources / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            uv.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [word.split("/") for word in words[1:]]
            faces.setdefault(group, []).append([int(corner[0]) - 1 for corner in corners])
            face_uv.setdefault(group, []).append([int(corner[1]) - 1 for corner in corners])
    as_arrays = {name: np.array(quads) for name, quads in faces.items()}
    return BaseMesh(np.array(vertices), np.array(uv), as_arrays, {k: np.array(v) for k, v in face_uv.items()})


@functools.cache
def read_target(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Indices and offsets of one morph target."""
    opener = gzip.open if path.suffix == ".gz" else open
    indices, offsets = [], []
    with opener(path, "rt") as lines:
        for line in lines:
            words = line.split()
            if len(words) >= 4 and not words[0].startswith(("#", '"')):
                indices.append(int(words[0]))
                offsets.append([float(word) for word in words[1:4]])
    return np.array(indices, int), np.array(offsets).reshape(-1, 3)


def add_target(vertices: np.ndarray, path: Path, weight: float) -> None:
    if abs(weight) > 1e-4:
        indices, offsets = read_target(path)
        vertices[indices] += weight * offsets


def make_identity(base: BaseMesh, sources: Path, rng: np.random.Generator, gender: str, age: float,
                  origins: dict[str, float], weight: float = 0.0, amplitude: float = AMPLITUDE,
                  gender_share: float = 1.0) -> np.ndarray:
    """One person's neutral vertices: origin, gender and age by weight, then random local shape.

    ``age`` runs from 0 (25 years) to 1 (90 years): adults only. What ``gender_share`` leaves is the other gender's shape.
    """
    targets = sources / "mpfb2/targets"
    vertices = base.vertices.copy()
    other = "male" if gender == "female" else "female"
    kinds = [(sex, stage, part * share) for stage, share in (("young", 1 - age), ("old", age))
             for sex, part in ((gender, gender_share), (other, 1 - gender_share))]
    for sex, stage, share in kinds:
        for origin, part in origins.items():
            add_target(vertices, targets / f"macrodetails/{origin}-{sex}-{stage}.target.gz", part * share)
        build = f"macrodetails/universal-{sex}-{stage}-averagemuscle"
        add_target(vertices, targets / f"{build}-averageweight.target.gz", share * (1 - abs(weight)))
        add_target(vertices, targets / f"{build}-{'max' if weight > 0 else 'min'}weight.target.gz", share * abs(weight))
    add_target(vertices, targets / f"head/{rng.choice(HEAD_SHAPES)}.target.gz", rng.uniform(0.2, 0.7))
    for entry in LOCAL_TARGETS:
        folder, names = entry.split("/")
        local = CALM.get(folder, amplitude) if amplitude > AMPLITUDE else amplitude
        value = float(np.clip(rng.normal(0, 0.42 * local), -0.6, 0.6)) * (0.7 if folder == "head" else 1.0)
        name = names.split("|")[0 if value < 0 else 1]
        for side in ("l", "r") if "?" in name else ("",):
            add_target(vertices, targets / folder / f"{name.replace('?', side)}.target.gz", abs(value))
    asymmetries = sorted(path for path in (targets / "asym").glob("asym-*") if "brown" not in path.name)
    for path in rng.choice(asymmetries, 4, replace=False):
        add_target(vertices, path, rng.uniform(0.1, 0.3))
    return vertices


def apply_expression(vertices: np.ndarray, sources: Path, expression: dict[str, float]) -> np.ndarray:
    """Neutral vertices with face units added; a unit without a side is applied to both."""
    folder = sources / "faceunits01/targets/faceunits"
    result = vertices.copy()
    for unit, value in expression.items():
        paths = [folder / f"{unit}.target"]
        if not paths[0].exists():
            paths = [folder / f"{unit}Left.target", folder / f"{unit}Right.target"]
        for path in paths:
            add_target(result, path, value)
    return result


def catmull_clark(count: int, quads: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """One step of subdivision as a sparse matrix over the vertices, and the new quads."""
    n_faces = len(quads)
    all_edges = np.sort(np.stack([quads, np.roll(quads, -1, 1)], 2).reshape(-1, 2), 1)
    edges, inverse = np.unique(all_edges, axis=0, return_inverse=True)
    inverse, n_edges = inverse.reshape(n_faces, 4), len(edges)
    face_ids, edge_ids = np.repeat(np.arange(n_faces), 4), np.repeat(np.arange(n_edges), 2)

    def matrix(values, rows, columns, shape):
        return sparse.csr_matrix((np.broadcast_to(values, len(rows)), (rows, columns)), shape)

    face_point = matrix(0.25, face_ids, quads.ravel(), (n_faces, count))
    edge_mid = matrix(0.5, edge_ids, edges.ravel(), (n_edges, count))
    edge_face = matrix(1.0, inverse.ravel(), face_ids, (n_edges, n_faces))
    touching = np.asarray(edge_face.sum(1)).ravel()
    border = touching < 2
    edge_point = (sparse.diags(np.where(border, 1, 0.5)) @ edge_mid
                  + sparse.diags(np.where(border, 0, 0.5 / np.maximum(touching, 1))) @ edge_face @ face_point)
    vertex_face = matrix(1.0, quads.ravel(), face_ids, (count, n_faces))
    vertex_edge = matrix(1.0, edges.ravel(), edge_ids, (count, n_edges))
    valence = np.maximum(np.asarray(vertex_edge.sum(1)).ravel(), 1)
    n_around = np.maximum(np.asarray(vertex_face.sum(1)).ravel(), 1)
    inner = (sparse.diags(1 / valence / n_around) @ vertex_face @ face_point
             + sparse.diags(2 / valence**2) @ vertex_edge @ edge_mid + sparse.diags((valence - 3) / valence))
    border_edges = vertex_edge @ sparse.diags(border.astype(float))
    n_border = np.asarray(border_edges.sum(1)).ravel()
    outer = sparse.diags(0.5 / np.maximum(n_border, 1)) @ border_edges @ edge_mid + sparse.eye(count) * 0.5
    on_border = n_border > 0
    moved = sparse.diags((~on_border).astype(float)) @ inner + sparse.diags(on_border.astype(float)) @ outer
    faces = np.arange(n_faces)
    new_quads = np.stack([np.stack([quads[:, k], count + inverse[:, k], count + n_edges + faces,
                                    count + inverse[:, k - 1]], 1) for k in range(4)], 1).reshape(-1, 4)
    return sparse.vstack([moved, edge_point, face_point]).tocsr(), new_quads


def subdivide_corners(corners: np.ndarray) -> np.ndarray:
    """Per-corner values (faces, 4, d) for the quads that ``catmull_clark`` returns."""
    centre = corners.mean(1)
    middle = [(corners[:, k] + corners[:, (k + 1) % 4]) / 2 for k in range(4)]
    parts = [np.stack([corners[:, k], middle[k], centre, middle[k - 1]], 1) for k in range(4)]
    return np.stack(parts, 1).reshape(-1, 4, corners.shape[2])


def vertex_normals(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Unit normals, each the sum of the quads around a vertex."""
    diagonal = np.cross(vertices[quads[:, 2]] - vertices[quads[:, 0]], vertices[quads[:, 3]] - vertices[quads[:, 1]])
    total = np.zeros_like(vertices)
    for k in range(4):
        for axis in range(3):
            total[:, axis] += np.bincount(quads[:, k], diagonal[:, axis], len(vertices))
    return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-9)
