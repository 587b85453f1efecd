"""Where things are on the base mesh (decimetres): brows, beard, hairline. One definition for paint and strands."""
from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np

# Centre line of the left brow (x, y), from the nose outwards, and its half width along the way.
BROW_X = np.array([0.105, 0.20, 0.32, 0.43, 0.53, 0.60])
BROW_Y = np.array([7.482, 7.495, 7.508, 7.508, 7.475, 7.430])
BROW_WIDTH = np.array([0.026, 0.036, 0.033, 0.026, 0.018, 0.008])


def smooth(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """GLSL's smoothstep."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def brow_mask(position: np.ndarray, thickness: float = 1.0, lift: float = 0.0) -> np.ndarray:
    """Density of the brows at base-mesh positions (..., 3)."""
    x, y, z = np.abs(position[..., 0]), position[..., 1] - lift, position[..., 2]
    centre = np.interp(x, BROW_X, BROW_Y)
    width = np.interp(x, BROW_X, BROW_WIDTH) * thickness
    across = 1 - smooth(0.25, 1.15, np.abs(y - centre) / width)
    ends = smooth(BROW_X[0] - 0.03, BROW_X[0] + 0.02, x) * (1 - smooth(BROW_X[-1] - 0.06, BROW_X[-1] + 0.01, x))
    return across * ends * (z > 0.6)


def brow_direction(position: np.ndarray) -> np.ndarray:
    """Brow hairs rise near the nose and lie down outwards."""
    x = np.abs(position[:, 0])
    share = np.interp(x, BROW_X, np.linspace(0, 1, len(BROW_X)))
    slope = np.gradient(BROW_Y, BROW_X)
    below = np.sign(np.interp(x, BROW_X, BROW_Y) - position[:, 1])
    rise = np.interp(x, BROW_X, slope) + (1 - share) * 0.9 + below * 0.25
    direction = np.stack([np.sign(position[:, 0]), rise, np.zeros(len(x))], 1)
    return direction / np.linalg.norm(direction, axis=1, keepdims=True)


def beard_mask(position: np.ndarray, kind: str) -> np.ndarray:
    """Density of the beard; ``kind``: stubble, short, full, goatee, moustache."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    cheek = np.interp(x, [0.0, 0.30, 0.45, 0.62, 0.80], [6.78, 6.70, 6.62, 6.72, 7.10])
    cheeks = 1 - smooth(-0.10, 0.05, y - cheek)
    under = smooth(6.16, 6.42, y + 0.06 * (z - 1)) * smooth(0.20, 0.50, z + 0.45 * (y - 6.4))
    moustache = smooth(0.0, 0.04, y - 6.66) * (1 - smooth(6.79, 6.84, y)) * (1 - smooth(0.28, 0.36, x)) * (z > 1)
    chin = (1 - smooth(0.26, 0.36, x)) * (y < 6.62) * smooth(6.14, 6.24, y) * smooth(0.95, 1.1, z)
    soul = 1 - 0.75 * ((x > 0.08) & (x < 0.25) & (y < 6.50) & (y > 6.40) & (z > 1))
    if kind == "moustache":
        return moustache
    if kind == "goatee":
        return np.maximum(moustache, chin * soul)
    return np.maximum(moustache, cheeks * under * soul)


@functools.cache
def scalp_texture(sources: Path, size: int) -> np.ndarray:
    """Scalp mask in skin coordinates: the painted hair of one of the CC0 skins, smoothed."""
    skin = cv2.imread(str(sources / "skins/young_african_female.png")).astype(np.float32) / 255
    grey = cv2.GaussianBlur(skin.mean(2), (0, 0), 1.6)
    mask = 1 - smooth(0.10, 0.23, grey)
    return cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)


def scalp_mask(texture: np.ndarray, uv: np.ndarray, position: np.ndarray, recede: float = 0.0) -> np.ndarray:
    """Hair density for points with skin coordinates and base positions; ``recede`` 0..1 lifts the hairline."""
    size = texture.shape[0]
    column = np.clip(uv[..., 0] * size, 0, size - 1).astype(int)
    row = np.clip((1 - uv[..., 1]) * size, 0, size - 1).astype(int)
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    mask = texture[row, column] * (y > 6.2) * (uv[..., 0] > 0.55)
    mask = mask * np.where(y < 7.75, 1 - smooth(0.78, 0.95, z), 1.0)       # never on brows, eyes or cheeks
    if recede > 0:
        temple = z + 0.55 * np.clip(x, 0, 0.6) - recede * 0.25 * np.clip(x - 0.25, 0, 1)
        limit = 1.15 - 0.75 * recede
        front = (y > 7.7) * smooth(limit - 0.12, limit + 0.10, temple)
        crown = max(0.0, recede - 0.55) * 2.2 * (1 - smooth(0.35, 0.65, np.hypot(x, z + 0.25))) * (y > 8.0)
        mask = mask * (1 - np.clip(front, 0, 1)) * (1 - np.clip(crown, 0, 1))
    return mask
