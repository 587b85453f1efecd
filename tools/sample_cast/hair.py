"""Strands grown by us: scalp hair in several styles, brows, lashes, beards. No third-party hair is used."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from regions import beard_mask, brow_direction, brow_mask, scalp_mask, smooth


@dataclass
class Style:
    """How a hair style grows; lengths in decimetres."""

    count: int
    steps: int
    width: float
    length_top: float
    length_side: float
    comb: str               # forward, side, back, down, bun, out
    lift: float             # how steeply strands leave the scalp
    gravity: float
    volume: float           # how far the outermost strands stay off the head
    clump: float = 0.3
    curl: float = 0.0       # radius of the curls
    turns: float = 0.0
    fringe: bool = False


STYLES = {
    "buzz": Style(26000, 3, 0.0075, 0.09, 0.06, "forward", 0.9, 0.0, 0.06, 0.0),
    "short": Style(18000, 6, 0.0075, 0.38, 0.13, "forward", 0.55, 0.1, 0.15, 0.35),
    "side": Style(16000, 9, 0.0075, 0.70, 0.16, "side", 0.45, 0.15, 0.15, 0.40),
    "swept": Style(16000, 9, 0.0075, 0.80, 0.24, "back", 0.55, 0.1, 0.19, 0.40),
    "coils": Style(16000, 8, 0.0080, 0.32, 0.20, "out", 1.0, 0.0, 0.30, 0.25, 0.030, 2.5),
    "afro": Style(17000, 12, 0.0085, 0.85, 0.70, "out", 1.0, 0.0, 0.85, 0.30, 0.045, 5.0),
    "curly": Style(11000, 20, 0.0090, 1.45, 1.30, "down", 0.55, 0.45, 0.38, 0.75, 0.060, 5.0),
    "bob": Style(11000, 16, 0.0100, 1.95, 1.45, "down", 0.30, 0.55, 0.20, 0.45),
    "fringe": Style(11000, 16, 0.0100, 1.85, 1.45, "down", 0.30, 0.55, 0.20, 0.40, fringe=True),
    "long": Style(11000, 22, 0.0105, 3.4, 2.9, "down", 0.30, 0.60, 0.19, 0.50),
    "wavy": Style(11000, 24, 0.0105, 2.9, 2.5, "down", 0.35, 0.55, 0.26, 0.65, 0.055, 2.6),
    "bun": Style(11000, 18, 0.0095, 1.0, 1.0, "bun", 0.05, 0.0, 0.055, 0.35),
}


@dataclass
class Roots:
    """Random points on the skin."""

    position: np.ndarray
    normal: np.ndarray
    base: np.ndarray         # the same points on the base mesh
    corners: np.ndarray      # vertex indices and weights, to follow expressions
    weights: np.ndarray


def sample_roots(rng, vertices, normals, base_vertices, quads, corner_uv, density, count) -> Roots:
    """Points on quads, kept with the probability ``density(uv, base positions)``."""
    area = np.linalg.norm(np.cross(vertices[quads[:, 2]] - vertices[quads[:, 0]], vertices[quads[:, 3]] - vertices[quads[:, 1]]), axis=1)
    centre = np.clip(np.max([density(corner_uv[:, k], base_vertices[quads[:, k]]) for k in range(4)], 0), 0, 1)
    chance = area * (centre > 0.01)
    found = []
    while sum(len(part[0]) for part in found) < count:
        face = rng.choice(len(quads), count * 2, p=chance / chance.sum())
        a, b = rng.random((2, len(face)))
        weights = np.stack([(1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b], 1)
        uv = (corner_uv[face] * weights[..., None]).sum(1)
        base = (base_vertices[quads[face]] * weights[..., None]).sum(1)
        kept = rng.random(len(face)) < density(uv, base)
        found.append((face[kept], weights[kept], base[kept]))
        if len(found) > 40:
            break
    face, weights, base = (np.concatenate(part)[:count] for part in zip(*found, strict=True))
    corners = quads[face]
    position = (vertices[corners] * weights[..., None]).sum(1)
    normal = (normals[corners] * weights[..., None]).sum(1)
    return Roots(position, normal / np.linalg.norm(normal, axis=1, keepdims=True), base, corners, weights)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)


def combed(style: Style, points: np.ndarray, normals: np.ndarray, base: np.ndarray, part: float, marks: dict) -> np.ndarray:
    """Direction in which the comb pulls at each point, before it is laid on the surface."""
    x, y, z = points.T
    zero = np.zeros_like(x)
    if style.comb == "out":
        return normals
    if style.comb == "bun":
        return unit(marks["bun"] - points)
    if style.comb == "back":
        return unit(np.stack([0.25 * np.sign(x) * (np.abs(x) > 0.3), -0.25 * (z < 0.2) - 0.1, -np.ones_like(x)], 1))
    sides = smooth(0.35, 0.62, np.abs(x)) * (base[:, 1] < 8.1)
    behind = smooth(-0.1, -0.5, z)
    down = np.stack([zero, -np.ones_like(x), zero], 1)
    if style.comb == "forward":
        top = np.stack([0.35 * np.ones_like(x), zero - 0.1, np.ones_like(x)], 1)
        share = np.clip(sides + behind, 0, 1)[:, None]
        return unit(top * (1 - share) + share * (down + [0, 0, 0.15]))
    away = np.sign(x - part)
    if style.comb == "side":
        top = np.stack([away, zero, 0.15 - 0.5 * smooth(0.5, 1.1, z)], 1)
        share = np.clip(sides + behind, 0, 1)[:, None]
        return unit(top * (1 - share) + share * (down + [0, 0, -0.3]))
    top = np.stack([away, zero - 0.2, -0.15 - 0.7 * smooth(0.4, 1.0, z)], 1)   # down: from the parting to the sides
    if style.fringe:
        front = ((base[:, 2] > 0.55) & (base[:, 1] > 7.9) & (np.abs(base[:, 0]) < 0.55))[:, None]
        low = smooth(0.8, 1.15, z)
        top = np.where(front, np.stack([0.20 * x, -0.4 - 2.0 * low, 1.0 - 0.9 * low], 1), top)
    share = np.clip(smooth(0.45, 0.8, np.abs(x)) + behind, 0, 1)[:, None]
    return unit(top * (1 - share) + share * (down + [0, 0, -0.12]))


def grow_scalp(name: str, rng, roots: Roots, body: np.ndarray, body_normals: np.ndarray, marks: dict,
               part: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (strands, steps, 3) and outward directions of a hair style on this head."""
    style = STYLES[name]
    tree = cKDTree(body)
    count = len(roots.position)
    top = smooth(7.75, 8.15, roots.base[:, 1])
    length = (style.length_side + (style.length_top - style.length_side) * top) * scale * rng.uniform(0.8, 1.1, count)
    if style.comb == "bun":
        length = np.linalg.norm(marks["bun"] - roots.position, axis=1) * 1.25 + 0.1
    if style.fringe:
        front = (roots.base[:, 2] > 0.55) & (roots.base[:, 1] > 7.9) & (np.abs(roots.base[:, 0]) < 0.55)
        length = np.where(front, np.minimum(length, 0.95), length)
    else:
        front = np.zeros(count, bool)
    edge = smooth(0.02, 0.4, -roots.base[:, 2] + 1.15) * smooth(0.0, 0.5, marks["density"])
    if style.comb in ("forward", "out"):
        length = length * (0.45 + 0.55 * smooth(0.0, 0.9, marks["density"]))      # baby hair along the hairline
    layer = rng.random(count) ** 0.7 * style.volume * (0.35 + 0.65 * edge)
    step = length / (style.steps - 1)
    first_pull = combed(style, roots.position, roots.normal, roots.base, part, marks)
    direction = unit(roots.normal * (style.lift + 0.15) + first_pull * (1.1 - style.lift))
    direction = unit(direction + rng.normal(0, 0.10, (count, 3)))
    points, outward = [roots.position - roots.normal * 0.012], [roots.normal]
    current = roots.position.copy()
    for index in range(1, style.steps):
        progress = index / (style.steps - 1)
        _, nearest = tree.query(current)
        normal = body_normals[nearest]
        pull = combed(style, current, normal, roots.base, part, marks)
        pull = unit(pull - normal * np.clip((pull * normal).sum(1), -1, 0)[:, None]) if style.comb != "out" else pull
        direction = unit(direction * 0.62 + pull * 0.38 + np.array([0, -style.gravity * progress, 0]))
        current = current + direction * step[:, None]
        if style.comb != "out":
            distance, nearest = tree.query(current)
            normal = body_normals[nearest]
            above = ((current - body[nearest]) * normal).sum(1)
            wanted = 0.015 + layer * min(1.0, progress * 3)
            lift = np.maximum(0, wanted - above)
            hug = 0.6 if style.comb != "down" else 0.45 * smooth(7.0, 7.5, roots.base[:, 1] - progress * length)
            settle = np.minimum(0, wanted - above) * hug                       # loose strands sink back onto the head
            current = current + normal * ((lift + settle) * (distance < 0.8))[:, None]
            current = guard_face(current, front, marks)
            if style.fringe:                                                   # a fringe is cut straight above the brows
                done = front & (points[-1][:, 1] <= marks["eye"][1] + 0.47)
                current = np.where(done[:, None], points[-1], current)
            if style.comb == "bun":
                close = np.linalg.norm(current - marks["bun"], axis=1) < 0.22
                current = np.where(close[:, None], current * 0.3 + marks["bun"] * 0.7 + rng.normal(0, 0.03, (count, 3)), current)
        points.append(current.copy())
        outward.append(unit(normal + 0.35 * roots.normal))
    points, outward = np.stack(points, 1), np.stack(outward, 1)
    points = clump_and_curl(style, rng, points, outward, roots)
    return points, outward


def guard_face(points: np.ndarray, front: np.ndarray, marks: dict) -> np.ndarray:
    """Keep strands off the face: below the hairline they stay behind the cheeks, a fringe ends above the brows."""
    limit = marks["eye"][2] - 0.62 + 0.45 * smooth(marks["eye"][1] + 0.45, marks["eye"][1] + 1.0, points[:, 1])
    low = (points[:, 1] < marks["eye"][1] + 0.55) & ~front
    points[:, 2] = np.where(low, np.minimum(points[:, 2], limit), points[:, 2])
    floor = marks["eye"][1] + 0.38
    points[:, 1] = np.where(front, np.maximum(points[:, 1], floor), points[:, 1])
    return points


def clump_and_curl(style: Style, rng, points, outward, roots: Roots) -> np.ndarray:
    """Draw strands towards a guide of their neighbourhood and wind them when the style is curly."""
    count, steps = points.shape[:2]
    guides = rng.choice(count, max(8, count // 28), replace=False)
    _, owner = cKDTree(roots.position[guides]).query(roots.position)
    guide = guides[owner]
    along = np.linspace(0, 1, steps)[None, :, None]
    moved = points[guide] + (points[:, :1] - points[guide][:, :1]) * (1 - 0.6 * along)
    result = points * (1 - style.clump * along) + moved * style.clump * along
    if style.curl:
        tangent = unit(np.gradient(result, axis=1))
        side = unit(np.cross(tangent, outward))
        phase = (rng.random(count) * 6.28)[guide][:, None] * 1.0 + rng.normal(0, 0.5, (count, 1))
        angle = (phase + along[..., 0] * style.turns * 6.28 * rng.uniform(0.8, 1.2, count)[guide][:, None])[..., None]
        radius = style.curl * np.minimum(1, along * 3)
        result = result + radius * (side * np.cos(angle) + outward * np.sin(angle))
    return result


def grow_bun(rng, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A knot of hair: arcs wound over a small ball."""
    count, steps = 1400, 12
    axis = unit(rng.normal(0, 1, (count, 3)) * [0.5, 0.5, 0.5] + [0, 0.4, -1])
    start = unit(np.cross(axis, rng.normal(0, 1, (count, 3))))
    other = np.cross(axis, start)
    angle = (np.linspace(0, 2.6, steps)[None] + rng.uniform(0, 6.28, (count, 1)))[..., None]
    ring = start[:, None] * np.cos(angle) + other[:, None] * np.sin(angle)
    ring = unit(ring + axis[:, None] * rng.uniform(-0.6, 0.6, (count, 1, 1)))
    return centre + ring * radius * rng.uniform(0.85, 1.02, (count, 1, 1)) * [1.1, 1.0, 0.9], ring


def grow_short(rng, roots: Roots, direction: np.ndarray, length: np.ndarray, lift: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Brow and beard hairs: a short arc that leaves the skin and lies down."""
    flat = unit(direction - roots.normal * (direction * roots.normal).sum(1, keepdims=True))
    flat = unit(flat + rng.normal(0, 0.16, flat.shape))
    along = np.linspace(0, 1, steps)[None, :, None]
    height = lift * (along - 0.45 * along**2)
    points = roots.position[:, None] + length[:, None, None] * (flat[:, None] * along * (1 - 0.3 * lift) + roots.normal[:, None] * height)
    return points - roots.normal[:, None] * 0.004, np.broadcast_to(roots.normal[:, None], points.shape)


def grow_brows(rng, sampler, thickness: float, bushiness: float):
    """Roots and strands of both brows."""
    roots = sampler(lambda uv, base: brow_mask(base, thickness), int(700 * bushiness))
    length = rng.uniform(0.045, 0.09, len(roots.position)) * (0.8 + 0.3 * bushiness)
    points, outward = grow_short(rng, roots, brow_direction(roots.base), length, 0.22, 4)
    return roots, points, outward


def grow_beard(rng, sampler, kind: str, off_lips):
    """Roots and strands of a trimmed or full beard."""
    length, count = {"short": (0.045, 22000), "full": (0.16, 24000), "goatee": (0.060, 9000), "moustache": (0.08, 5000)}[kind]
    roots = sampler(lambda uv, base: beard_mask(base, kind) * off_lips(uv), count)
    x, y = roots.base[:, 0], roots.base[:, 1]
    above_mouth = (y > 6.64) & (np.abs(x) < 0.4)
    direction = np.stack([np.where(above_mouth, np.sign(x) * 0.9, x * 0.15), -np.ones_like(x), 0.1 + 0 * x], 1)
    lengths = length * rng.uniform(0.6, 1.15, len(x)) * np.where(above_mouth, 0.55, 1.0)
    points, outward = grow_short(rng, roots, direction, lengths, 0.38, 4)
    return roots, points, outward


def grow_lashes(rng, vertices: np.ndarray, indices: np.ndarray, eye: np.ndarray, count: int, length: float):
    """Lashes between the root row and the tip row of a lash strip of the base mesh.

    Returns points and, per strand, two root vertices and a weight, to follow the lids.
    """
    strip = vertices[indices]
    distance = np.linalg.norm(strip - eye, axis=1)
    order = np.argsort(strip[:, 0])
    bins = np.array_split(order, 11)
    root = np.array([indices[part[np.argmin(distance[part])]] for part in bins])
    tip = np.array([indices[part[np.argmax(distance[part])]] for part in bins])
    place = np.clip(rng.random(count) * (len(root) - 1), 0, len(root) - 1.001)
    left, share = place.astype(int), (place % 1)[:, None]
    start = vertices[root[left]] * (1 - share) + vertices[root[left + 1]] * share
    end = vertices[tip[left]] * (1 - share) + vertices[tip[left + 1]] * share
    end = start + (end - start) * length * rng.uniform(0.75, 1.1, (count, 1)) + rng.normal(0, 0.006, (count, 3))
    along = np.linspace(0, 1, 5)[None, :, None]
    points = start[:, None] + (end - start)[:, None] * along
    outward = np.broadcast_to(unit(start - eye)[:, None], points.shape)
    return points, outward, root[left], root[left + 1], share


def scalp_density(texture: np.ndarray, recede: float):
    return lambda uv, base: scalp_mask(texture, uv, base, recede)
