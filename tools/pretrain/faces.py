"""From renders of people who do not exist to faces of many more.

Few people teach no general embedding. So most faces are made of two people's: crops are aligned, so
a soft mask or a blend of two gives a face of a third person, and a smooth warp gives it another
shape. What it is called does not matter: the teachers look at exactly the pixels that the network
will look at ("function matching", Beyer et al. 2022, https://arxiv.org/abs/2106.05237).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track
from torch.nn import functional

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.media.images import read_image

SIZE = 112
SHARE_OF_ONE_PERSON = 0.3
BATCH = 256
_SIDES = range(28, 100, 8)


def crops_of(renders: Path) -> tuple[np.ndarray, np.ndarray]:
    """Aligned faces of all views.

    Args:
        renders: folder with one folder of ``view_*.png`` a person.

    Returns:
        uint8 RGB [n, 112, 112, 3], and int64 [n], whose face it is, as :func:`people_in` counts.
    """
    folders = people_in(renders)
    crops, people = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = track(pool.map(_faces_in, folders), "finding faces", total=len(folders))
        for number, theirs in enumerate(found):
            crops += theirs
            people += [number] * len(theirs)
    if not crops:
        raise SystemExit(f"There are no renders in {renders}: see README.md.")
    return np.stack(crops), np.array(people)


def people_in(renders: Path) -> list[Path]:
    """A folder each of those who were rendered, always in one order."""
    return sorted(renders.glob("random*"))


def _faces_in(folder: Path) -> list[np.ndarray]:
    """Aligned faces of one person's views."""
    crops = []
    for path in sorted(folder.glob("view_*.png")):
        try:
            image = read_image(path)
        except MediaError as error:
            raise SystemExit(f"{path}: {error} Delete it and render it anew.") from error
        found = detect_faces(image)
        if len(found) == 1:
            crop = align(image, found[0].landmarks)
            crops.append(cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA))
    return crops


def compose(crops: np.ndarray, people: np.ndarray, count: int, seed: int, file: Path) -> np.ndarray:
    """Faces of one person and of two, shaped, lit and placed otherwise.

    Renders are tidier than photos are. What a photo has and a render lacks (a lively background,
    things in the way, hard light, strong colours, a crop that is not quite right) is put on top.
    Each batch has a random generator of its own: it is the same however many are made.

    Args:
        crops: uint8 RGB [n, 112, 112, 3], of each person one after the other.
        people: int64 [n], whose face it is, in ascending order.
        count: how many are made.
        seed: of the randomness.
        file: where they are written, as :func:`filled` does it.

    Returns:
        What is in the file: uint8 RGB [count, 112, 112, 3].
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2)
    starts = _starts(people).to(device)

    def batch(first: int) -> np.ndarray:
        draw = Draw(BATCH, torch.Generator(device).manual_seed(_seed(seed, first)))
        some = _composed(ours, starts, draw).permute(0, 2, 3, 1).cpu().numpy()
        qualities = draw.uniform(35, 95).flatten().int().tolist()
        return np.stack(list(pool.map(_as_jpeg, some, qualities)))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return filled(file, (count, SIZE, SIZE, 3), np.uint8, batch, "composing")


def filled(
    file: Path,
    shape: tuple[int, ...],
    dtype: type,
    batch: Callable[[int], np.ndarray],
    title: str,
) -> np.ndarray:
    """An array in a file, which need not fit into memory, made batch by batch.

    What is stopped goes on where it was; how far it came is in a file beside it.

    Args:
        file: where.
        shape, dtype: of the whole array.
        batch: gives what begins at a row; what is beyond the last one is left out.
        title: shown beside the progress.
    """
    so_far = file.with_suffix(".rows")
    done = int(so_far.read_text()) if so_far.exists() else 0
    if not done:
        np.lib.format.open_memmap(file, "w+", dtype, shape)
    try:
        array = np.lib.format.open_memmap(file, "r+")
    except (OSError, ValueError) as error:
        raise SystemExit(f"{file} is damaged ({error}). Delete {file.parent}.") from error
    for first in track(range(done, shape[0], BATCH), title):
        last = min(first + BATCH, shape[0])
        array[first:last] = batch(first)[: last - first]
        unfinished = file.with_suffix(".part")
        unfinished.write_text(str(last))
        unfinished.rename(so_far)
    return array


class Draw:
    """Random numbers for a batch of faces, each of shape [n, 1, 1, 1]."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator = count, generator
        side = (torch.arange(SIZE, device=generator.device) + 0.5) / SIZE - 0.5
        self.x, self.y = side.view(1, 1, 1, -1), side.view(1, 1, -1, 1)
        """Columns and rows of a picture, from -0.5 to 0.5."""

    def shares(self, *shape: int) -> torch.Tensor:
        """0 to 1, [n, *shape]."""
        device = self.generator.device
        return torch.rand(self.count, *shape, generator=self.generator, device=device)

    def uniform(self, low: float, high: float) -> torch.Tensor:
        """Between the two."""
        return self.shares(1, 1, 1) * (high - low) + low

    def normal(self, mean: float, deviation: float, *shape: int) -> torch.Tensor:
        """Of a bell curve, [n, *shape]."""
        values = torch.randn(
            self.count,
            *(shape or (1, 1, 1)),
            generator=self.generator,
            device=self.generator.device,
        )
        return values * deviation + mean

    def chance(self, share: float) -> torch.Tensor:
        """True for this share."""
        return self.shares(1, 1, 1) < share

    def some(self, share: float) -> tuple[torch.Tensor, Draw]:
        """Places of about this share of the batch, and random numbers for these."""
        places = self.chance(share).flatten().nonzero().flatten()
        return places, Draw(len(places), self.generator)


def parents(people: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of whom the faces are made that :func:`compose` makes of the same people, count and seed.

    Returns:
        int64 [count, 2], rows of two crops; and float32 [count], the first one's share of the
        middle of the face, 0 to 1.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    starts = _starts(people).to(device)
    rows, shares = [], []
    for first in range(0, count, BATCH):
        draw = Draw(BATCH, torch.Generator(device).manual_seed(_seed(seed, first)))
        one, other, mask = _parents(starts, draw)
        rows.append(torch.stack([one, other], 1).cpu())
        middle = (torch.hypot(draw.x, draw.y) < 0.35).float()
        shares.append(((mask * middle).sum((1, 2, 3)) / middle.sum()).cpu())
    return torch.cat(rows)[:count].numpy(), torch.cat(shares)[:count].numpy()


def _starts(people: np.ndarray) -> torch.Tensor:
    """Where each person's crops begin, and where the last one's end."""
    return torch.from_numpy(np.flatnonzero(np.diff(people, prepend=-1, append=people[-1] + 1)))


def _seed(seed: int, first: int) -> int:
    return seed * 10**7 + first


def _parents(starts: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two crops each, int64 [n], and the first one's share of each pixel, [n, 1, 112, 112]."""
    counts = starts.diff()
    who = (draw.shares() * len(counts)).long()
    away = 1 + (draw.shares() * (len(counts) - 1)).long()
    one, other = (
        starts[person] + (draw.shares() * counts[person]).long()
        for person in (who, (who + away) % len(counts))
    )
    alone = draw.chance(SHARE_OF_ONE_PERSON)
    return one, other, torch.where(alone, 1, _mask(draw))


def _composed(crops: torch.Tensor, starts: torch.Tensor, draw: Draw) -> torch.Tensor:
    """A batch: uint8 RGB [n, 3, 112, 112]."""
    one, other, mask = _parents(starts, draw)
    face = torch.lerp(crops[other].float() / 255, crops[one].float() / 255, mask)
    face = _warped(draw, face)
    at, some = draw.some(0.5)
    face[at] = torch.lerp(face[at], _clutter(some), _around(some))
    at, some = draw.some(0.2)
    face[at] = torch.lerp(face[at], _clutter(some) * some.uniform(0, 1), _in_the_way(some))
    return (_photographed(draw, face).clamp(0, 1) * 255).byte()


def _mask(draw: Draw) -> torch.Tensor:
    """Which share of each pixel is the first person's: a blend, or one side of a soft line."""
    # Mostly across, so that eyes come from one and mouth or nose from the other.
    angle = draw.normal(math.pi / 2, 0.5)
    distance = torch.cos(angle) * draw.x + torch.sin(angle) * draw.y - draw.uniform(-0.22, 0.22)
    mask = torch.sigmoid(distance / draw.uniform(0.02, 0.06))
    mask = torch.where(draw.chance(0.5), mask, 1 - mask)
    return torch.where(draw.chance(0.4), draw.uniform(0.25, 0.75), mask)


def _warped(draw: Draw, face: torch.Tensor) -> torch.Tensor:
    """A smooth warp of up to some 4 pixels, and a crop that is turned, moved and scaled."""
    angle, scale = draw.normal(0, 0.08), draw.normal(0, 0.06).exp()
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    mirror = torch.where(draw.chance(0.5), 1, -1)
    places = torch.cat(
        [
            (cos * draw.x - sin * draw.y) * mirror + draw.normal(0, 0.02),
            sin * draw.x + cos * draw.y + draw.normal(0, 0.02),
        ],
        1,
    )
    field = draw.normal(0, 1, 2, 5, 5) * draw.uniform(0, 2.2) / SIZE
    field = functional.interpolate(field, SIZE, mode="bicubic", align_corners=False)
    grid = 2 * (places + field).permute(0, 2, 3, 1)
    face = functional.grid_sample(face, grid, padding_mode="border", align_corners=False)
    # Alignment leaves black corners, or none.
    outside = (grid.abs() > 1).any(3).unsqueeze(1)
    return torch.where(draw.chance(0.3) & outside, 0, face)


def _clutter(draw: Draw) -> torch.Tensor:
    """Something coloured, coarse or fine, soft or with edges: [n, 3, 112, 112], 0 to 1."""
    cells = (1, 2, 4, 8, 16, 48)
    # One to three of them.
    rank = draw.shares(len(cells)).argsort(1).argsort(1)
    taken = rank < 1 + (draw.shares(1) * 3).long()
    picture = torch.zeros(draw.count, 3, SIZE, SIZE, device=rank.device)
    for number, side in enumerate(cells):
        at = taken[:, number].nonzero().flatten()
        some = Draw(len(at), draw.generator)
        field = some.shares(3, side, side)
        field = torch.where(
            some.chance(0.25),
            functional.interpolate(field, SIZE, mode="nearest"),
            functional.interpolate(field, SIZE, mode="bicubic", align_corners=False),
        )
        field = torch.where(some.chance(0.3), (field > 0.5).float(), field)
        grey = field.mean(1, keepdim=True)
        picture[at] += torch.lerp(grey, field, some.uniform(0, 1.5))
    low, high = picture.aminmax(dim=1, keepdim=True)
    low, high = low.amin((2, 3), keepdim=True), high.amax((2, 3), keepdim=True)
    picture = (picture - low) / (high - low).clamp(min=1e-3)
    return (picture * draw.uniform(0.3, 1.2) + draw.uniform(-0.2, 0.3)).clamp(0, 1)


def _around(draw: Draw) -> torch.Tensor:
    """A mask of what is not the face: outside of an ellipse."""
    x = draw.x / draw.uniform(0.34, 0.52)
    y = (draw.y - draw.uniform(-0.04, 0.06)) / draw.uniform(0.44, 0.62)
    return torch.sigmoid((torch.hypot(x, y) - 1) / draw.uniform(0.02, 0.1))


def _in_the_way(draw: Draw) -> torch.Tensor:
    """A mask of glasses, a hand, a strand of hair: a soft-edged bar or spot."""
    # Where the eyes are.
    glasses = torch.hypot(
        (draw.x.abs() - 0.17) / draw.uniform(0.12, 0.18),
        (draw.y + 0.08) / draw.uniform(0.08, 0.13),
    )
    angle = draw.uniform(0, math.pi)
    x, y = draw.x - draw.uniform(-0.4, 0.4), draw.y - draw.uniform(-0.4, 0.4)
    bar = torch.hypot(
        (torch.cos(angle) * x + torch.sin(angle) * y) / draw.uniform(0.05, 0.4),
        (torch.cos(angle) * y - torch.sin(angle) * x) / draw.uniform(0.03, 0.2),
    )
    inside = torch.where(draw.chance(0.4), glasses, bar)
    return torch.sigmoid((1 - inside) / draw.uniform(0.03, 0.2)) * draw.uniform(0.6, 1)


def _photographed(draw: Draw, face: torch.Tensor) -> torch.Tensor:
    """Another camera and another light, and its noise."""
    face = face.clamp(0, 1) ** draw.uniform(0.6, 1.6)
    grey = face.mean(1, keepdim=True)
    face = torch.lerp(grey, face, torch.where(draw.chance(0.12), 0, draw.uniform(0.4, 2.0)))
    mean = face.mean((1, 2, 3), keepdim=True)
    face = (face - mean) * draw.uniform(0.7, 1.7) + draw.uniform(0.25, 0.65)
    face = face * draw.normal(1, 0.08, 3, 1, 1)
    face = face + draw.x * draw.normal(0, 0.2) + draw.y * draw.normal(0, 0.15)
    # Some were taken with fewer pixels.
    fewer = (draw.shares() / 0.4 * len(_SIDES)).long()
    for number, side in enumerate(_SIDES):
        at = (fewer == number).nonzero().flatten()
        small = functional.interpolate(face[at], side, mode="bilinear", antialias=True)
        face[at] = functional.interpolate(small, SIZE, mode="bilinear", align_corners=False)
    return face + draw.normal(0, 1, *face.shape[1:]) * draw.uniform(0, 0.03)


def _as_jpeg(face: np.ndarray, quality: int) -> np.ndarray:
    """What is left of a face, uint8 RGB, in a JPEG file."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(face[..., ::-1]), flags)[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
