"""Both renderers side by side: the same people, poses and lights in GL and in Cycles, with the time of each.

    pip install bpy==4.5.15 'numpy<2'        # beside the requirements; Python 3.11 only
    python compare.py --people mira rory     # writes work/renderers.jpg
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

import path_traced
from actor import Actor, random_expression
from cast import find
from sources import DEFAULT_WORK, prepare

SIZE = 320


def both(key: str, sources: Path, views: int, samples: int, threads: int) -> tuple[list[np.ndarray], list[float], list[float]]:
    """Pairs of pictures of one person, one above the other, and the seconds that each took."""
    actor = Actor(find(key), sources)
    columns, of_gl, of_cycles = [], [], []
    for view in range(views):
        rng = np.random.default_rng([actor.person.seed, 9000 + view])
        actor.dress(rng)
        actor.pose(random_expression(rng)[1], float(rng.uniform(-35, 35)), float(rng.uniform(-8, 8)), float(rng.uniform(-5, 5)))
        light, camera = actor.light(rng), actor.camera(rng, (SIZE, SIZE), 1.7)
        start = time.perf_counter()
        in_gl = actor.photograph(camera, light, supersample=2)
        of_gl.append(time.perf_counter() - start)
        start = time.perf_counter()
        traced = path_traced.photograph(actor, actor.skin, camera, light, samples, threads)
        of_cycles.append(time.perf_counter() - start)
        columns.append(np.vstack([in_gl, traced]))
    return columns, of_gl, of_cycles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--people", nargs="+", default=["mira", "rory", "sunhee", "kwabena"])
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    sources = prepare(arguments.work)
    columns, of_gl, of_cycles = [], [], []
    for key in arguments.people:
        more, first, second = both(key, sources, arguments.views, arguments.samples, arguments.threads)
        columns, of_gl, of_cycles = columns + more, of_gl + first, of_cycles + second
    cv2.imwrite(str(arguments.work / "renderers.jpg"), np.hstack(columns), [cv2.IMWRITE_JPEG_QUALITY, 90])
    gl, traced = np.median(of_gl), np.median(of_cycles)
    print(f"median seconds a picture of {SIZE} pixels: GL {gl:.2f}, Cycles {traced:.2f} ({arguments.samples} samples), {traced / gl:.1f} times")


if __name__ == "__main__":
    main()
