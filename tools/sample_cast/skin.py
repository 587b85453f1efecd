"""The painted skin of a person: CC0 base images blended, brought to a chosen tone, then painted on."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cast import Person
from regions import beard_mask, brow_mask, scalp_mask, smooth

SIZE = 2048
# Linear-light albedo (red, green, blue) of seven tones from very pale to very dark.
TONES = np.array([(0.55, 0.375, 0.295), (0.48, 0.318, 0.238), (0.40, 0.255, 0.18), (0.315, 0.195, 0.13),
                  (0.205, 0.122, 0.080), (0.125, 0.074, 0.049), (0.082, 0.050, 0.036)])


def tone_albedo(tone: float) -> np.ndarray:
    return np.array([np.interp(tone, range(len(TONES)), TONES[:, channel]) for channel in range(3)])


def exposure_for(tone: float) -> float:
    """Exposure rises gently for dark skin and falls for pale skin, so that all are well exposed."""
    luminance = float(tone_albedo(tone) @ [0.2126, 0.7152, 0.0722])
    return float((0.25 / luminance) ** 0.40)


def base_images(person: Person, sources: Path) -> list[Path]:
    """Skins that suit gender, age and dominant origin."""
    origin = max(person.origins, key=person.origins.get)
    if person.tone >= 4.3:
        origin = "african"
    elif origin == "african":
        origin = "caucasian"
    stages = ["young"] if person.years < 33 else ["young", "middleage"] if person.years < 48 else ["middleage", "old"]
    found = []
    for stage in stages:
        found += sorted((sources / "skins").glob(f"{stage}_{origin}_{person.gender}*.png"))
    return found


def speckle(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    return cv2.resize(rng.normal(size=(cells, cells)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)


def paint_skin(person: Person, sources: Path, positions: np.ndarray, scalp: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The skin image (BGR uint8), as large as ``positions``: the base-mesh position of every texel."""
    size = len(positions)
    choices = base_images(person, sources)
    first, second = (choices[index] for index in rng.integers(0, len(choices), 2))
    share = rng.uniform(0.25, 0.75)
    mixed = cv2.imread(str(first)).astype(np.float32) * share + cv2.imread(str(second)).astype(np.float32) * (1 - share)
    mixed = cv2.resize(mixed, (size, size), interpolation=cv2.INTER_CUBIC)[..., ::-1] / 255
    linear = np.clip(mixed, 0.004, 1) ** 2.2
    x, y, z = positions[..., 0], positions[..., 1], positions[..., 2]
    cheeks = (positions[..., 3] > 0) & (z > 0.95) & (y > 6.7) & (y < 7.15) & (np.abs(x) > 0.25)
    ratio = linear / np.median(linear[cheeks], axis=0)
    grey = ratio.mean(2, keepdims=True)
    ratio = np.clip(grey + 0.75 * (ratio - grey), 0.06, 1.5) ** (1.0 if person.tone < 4.3 else 0.85)
    albedo = ratio * tone_albedo(person.tone).astype(np.float32)

    for cells, strength in ((size, 0.022), (size // 3, 0.022), (size // 10, 0.018), (size // 40, 0.025)):
        albedo *= 1 + strength * speckle(rng, cells, size)[..., None]
    warmth = speckle(rng, 60, size) * 0.03
    albedo *= 1 + warmth[..., None] * np.array([1, -0.4, -0.6], np.float32)
    flush = np.exp(-(((np.abs(x) - 0.42) / 0.22) ** 2 + ((y - 6.98) / 0.20) ** 2)) * (z > 0.8)
    flush += 0.7 * np.exp(-((x / 0.13) ** 2 + ((y - 6.95) / 0.12) ** 2)) * (z > 1.3)
    albedo *= 1 - (flush * rng.uniform(0.05, 0.14) * max(0.2, 1 - person.tone / 6))[..., None] * np.array([-0.2, 1, 0.9], np.float32)
    albedo = paint_spots(person, albedo, positions, rng)

    lips = cv2.resize(cv2.imread(str(sources / "mpfb2/textures/mpfb_lips.jpg"), 0), (size, size)).astype(np.float32) / 255
    pale = np.array([0.93, 0.66, 0.66], np.float32) if person.tone < 4.3 else np.array([0.98, 0.80, 0.84], np.float32)
    if person.gender == "male":
        colour = pale * rng.uniform(0.9, 1.05)
    else:
        colour = pale * np.array([1.02, rng.uniform(0.80, 0.98), rng.uniform(0.85, 1.0)])
    albedo *= 1 + lips[..., None] * (colour.astype(np.float32) - 1)

    grid = (np.arange(size) + 0.5) / size
    uv = np.stack(np.broadcast_arrays(grid[None, :], 1 - grid[:, None]), -1)
    hair = np.array(person.hair_colour, np.float32)
    if person.hair != "shaved":
        under = scalp_mask(scalp, uv, positions, person.recede) * positions[..., 3]
        strength = 0.55 if person.hair == "buzz" else 0.8
        albedo = mix(albedo, hair * 1.1, under * strength * (0.85 + 0.3 * np.clip(speckle(rng, size // 2, size), -1, 1)))
    brows = brow_mask(positions[..., :3], person.brow_thickness * (1.0 if person.gender == "male" else 0.85)) * positions[..., 3]
    albedo = mix(albedo, np.maximum(hair, 0.015) * 0.9, brows * 0.30)
    if person.beard != "none":
        area = beard_mask(positions[..., :3], person.beard) * (1 - smooth(0.05, 0.3, lips)) * positions[..., 3]
        dots = np.clip(0.45 + 0.75 * speckle(rng, int(size / 1.6), size), 0, 1)
        albedo = mix(albedo, np.maximum(hair, 0.012), area * (0.36 * dots + 0.10 if person.beard == "stubble" else 0.58))
    return (np.clip(albedo, 0.001, 1) ** (1 / 2.2) * 255).astype(np.uint8)[..., ::-1]


def mix(albedo: np.ndarray, colour: np.ndarray, amount: np.ndarray) -> np.ndarray:
    amount = np.clip(amount, 0, 1)[..., None].astype(np.float32)
    return albedo * (1 - amount) + colour.astype(np.float32) * amount


def paint_spots(person: Person, albedo: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A few moles for everyone; freckles and age spots for some."""
    face = np.argwhere((positions[..., 3] > 0) & (positions[..., 2] > 0.5) & (positions[..., 1] > 6.2) & (positions[..., 1] < 8.1))
    spots = [(rng.integers(2, 5), rng.uniform(0.25, 0.6)) for _ in range(rng.integers(2, 9))]
    spots += [(rng.integers(1, 3), rng.uniform(0.10, 0.30)) for _ in range(int(260 * person.freckles))]
    mask = np.zeros(positions.shape[:2], np.float32)
    for radius, strength in spots:
        row, column = face[rng.integers(len(face))]
        cv2.circle(mask, (int(column), int(row)), int(radius), float(strength), -1, cv2.LINE_AA)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.2)
    return albedo * (1 - mask[..., None] * np.array([0.55, 0.75, 0.85], np.float32))
