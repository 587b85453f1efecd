"""Render the whole cast: fetches the sources, then runs a process for each of them. Stop it and start it again at will.

    python build.py                              # the bundled sample
    python build.py --random 1000 --views 10     # a thousand generated identities, nothing else
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cast import CAST, everyone
from people import random_person
from render_person import PAIR, PHOTO_PEOPLE
from sources import DEFAULT_WORK, HERE, prepare
from truth import write_truth

RANDOM_VIEW_SIZE = 256  # for networks that look at 112 pixels
RANDOM_TOGETHER = 10  # generated people in a process: what it reads it reads once
SPARE_VIEWS = 3  # a few more than are kept, in case a face is not found in one


def plan(arguments: argparse.Namespace) -> list[tuple[list[str], list[str], int]]:
    """For every process: whom it renders, its arguments, and how many files it leaves of each."""
    if arguments.random:
        views = arguments.views or 10
        keys = [f"random{number}" for number in range(arguments.random)]
        groups = [keys[first : first + RANDOM_TOGETHER] for first in range(0, len(keys), RANDOM_TOGETHER)]
        return [(group, ["--views", str(views), "--view-size", str(RANDOM_VIEW_SIZE)], views) for group in groups]
    people = CAST[: arguments.identities] if arguments.identities else CAST
    jobs = []
    for person in [*(one for one in everyone() if one.role == "clip"), *people]:   # the longest first
        options, files = [], 0
        if person.role == "cast":
            views = arguments.views or person.crops + SPARE_VIEWS
            options, files = ["--views", str(views)], views
        else:
            options, files = ["--clips"], 2
        if person.key in PHOTO_PEOPLE:
            options, files = [*options, "--photo"], files + 1
        if person.key in PAIR:
            options, files = [*options, "--pair"], files + 1
        jobs.append(([person.key], options, files))
    return jobs


def count_files(folder: Path) -> int:
    names = ("view_*.png", "clip_?.mp4", "photo.jpg", "pair.png")
    return sum(len(list(folder.glob(name))) for name in names) if folder.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--identities", type=int, help="only the first so many of the cast")
    parser.add_argument("--views", type=int, help="views a person instead of the cast's own numbers")
    parser.add_argument("--random", type=int, help="render so many generated identities instead of the cast")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    sources = prepare(arguments.work)
    # The software renderer starts a thread for every core; so many processes of so many threads get in each other's way.
    os.environ.setdefault("LP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // arguments.processes)))
    jobs = plan(arguments)
    renders = arguments.work / "renders"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, ThreadPoolExecutor(arguments.processes) as pool:
        task = progress.add_task("rendering", total=sum(len(keys) * files for keys, _, files in jobs))

        def render(job: tuple[list[str], list[str], int]) -> int:
            command = [sys.executable, str(HERE / "render_person.py"), *job[0], "--work", str(arguments.work), *job[1]]
            return subprocess.run(command, check=False).returncode

        def done() -> int:
            return sum(min(files, count_files(renders / key)) for keys, _, files in jobs for key in keys)

        running = [pool.submit(render, job) for job in jobs]
        try:
            while not all(future.done() for future in running):
                progress.update(task, completed=done())
                time.sleep(1)
        except KeyboardInterrupt:
            # The children got the signal too; nobody else is begun.
            pool.shutdown(wait=True, cancel_futures=True)
            raise SystemExit("stopped; start again to continue") from None
        progress.update(task, completed=done())
    failed = [key for (keys, *_), future in zip(jobs, running, strict=True) if future.result() for key in keys]
    if failed:
        raise SystemExit(f"not rendered completely: {', '.join(failed)}; start again to continue")
    if arguments.random:
        write_truth([random_person(number) for number in range(arguments.random)], sources, renders)


if __name__ == "__main__":
    main()
