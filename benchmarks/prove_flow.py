"""Kill the services of a running installation while visitors come and go; or send many at once.

    python benchmarks/prove_flow.py --kills 100 --uploads 50 --erasures 5 --seed 1
    python benchmarks/prove_flow.py --uploads 500 --within 60 --poisoned 3
    python benchmarks/prove_flow.py --kills 20 --uploads 20 --erasures 2 --store faults

With ``--store`` the bucket is on a server of its own, behind a proxy: ``faults`` fails in every way
that a store can, one after the other; ``ahead`` and ``behind`` have a clock that is an hour off.
At the end every upload has exactly one verdict, every accepted one is in the release exactly once,
nobody who was erased is anywhere, no run hangs and no lock is left, and nobody helped. It takes as
long as there is progress, and fails where there is none.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the tests are not installed

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster_tests.end_to_end.conftest import Installation
from twin_matcher_dagster_tests.end_to_end.flow import Flow, StalledError, storm
from twin_matcher_dagster_tests.end_to_end.promises import twice_at_once
from twin_matcher_dagster_tests.end_to_end.store_server import StoreServer
from twin_matcher_dagster_tests.end_to_end.visitors import crowd
from twin_matcher_dagster_tests.faulty_store import Fault, FaultyStore
from twin_matcher_dagster_tests.people import write_small_source

MADE = (keys.TWIN_DATASET, keys.TWIN_MODEL, keys.FACE_INDEX, keys.PRODUCTION_RELEASE)
Begun = tuple[Installation, StoreServer | None, AbstractContextManager[Any]]


def main() -> int:
    """Do it; 0 if all is as it has to be."""
    wanted = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("kills", "uploads", "erasures", "poisoned", "impostors"):
        wanted.add_argument(f"--{name}", type=int, default=0)
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument("--pause", type=float, default=10, help="mean seconds between two events")
    wanted.add_argument("--within", type=float, help="all uploads within so many seconds")
    wanted.add_argument("--store", choices=["faults", "ahead", "behind"])
    wanted.add_argument("--keep", type=Path, help="folder for the state, which stays")
    given = wanted.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp())
    console, began = Console(width=160), time.monotonic()

    def say(sentence: str) -> None:
        console.print(f"{time.monotonic() - began:6.0f} s  {sentence}", highlight=False)

    try:
        with _weather(folder, given, say) as (installation, server, weather):
            flow = Flow(installation, say, server)
            try:
                before = {asset: flow.made(asset) for asset in MADE}
                say("it begins")
                proven = _prove(flow, given, weather, say)
                console.print(_table(flow, before))
            finally:
                flow.close()
                installation.clear_away()
        return 0 if proven else 1
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _weather(
    folder: Path, given: argparse.Namespace, say: Callable[[str], None]
) -> Generator[Begun]:
    """An installation with a first release, its store's server, and what the store goes through
    while visitors come."""
    folder.mkdir(exist_ok=True)
    source = write_small_source(folder)
    if not given.store:
        yield _copied(folder, source), None, nullcontext()
        return
    server = StoreServer(folder / "store")
    with FaultyStore(server.variables, given.seed) as faulty:
        installation = Installation(folder / "home", source)
        installation.variables.update(faulty.environment)
        installation.demo()
        if given.store == "faults":
            told = partial(_tell, say)
            yield installation, server, faulty.storm(given.seed, told)
        else:
            # From here to the end: the clocks never agree.
            faulty.set(Fault("clock", 3600 if given.store == "ahead" else -3600))
            yield installation, server, nullcontext()
    server.close()


def _tell(say: Callable[[str], None], fault: Fault) -> None:
    say(f"the store: {fault.kind}")


def _copied(folder: Path, source: Path) -> Installation:
    """One whose first release is made once in a folder."""
    first = folder / "first"
    if not first.exists():
        begun = Installation(folder / "begun", source)
        try:
            begun.demo()
        finally:
            begun.clear_away()
        begun.home.rename(first)
    installation = Installation(folder / "home", source)
    shutil.rmtree(installation.home, ignore_errors=True)
    installation.begin_as(first)
    return installation


def _prove(
    flow: Flow,
    given: argparse.Namespace,
    weather: AbstractContextManager[Any],
    say: Callable[[str], None],
) -> bool:
    visitors = crowd(given.uploads, given.seed, given.poisoned, given.impostors)
    pause = given.within / given.uploads / 1.05 if given.within else given.pause
    try:
        with weather:
            storm(flow, visitors, given.erasures, given.kills, given.seed, pause)
        say("all have come")
        flow.settle()
    except StalledError as error:
        say(f"nothing moves any more:\n{error}")
        return False
    say("all is as it has to be")
    return True


def _table(flow: Flow, before: dict[str, int]) -> Table:
    table = Table("what", "how often")
    for what, count in [*sorted(flow.killed.items()), *flow.states().items()]:
        table.add_row(what, str(count))
    for asset in MADE:
        table.add_row(f"{asset} made", str(flow.made(asset) - before[asset]))
    table.add_row("made twice at once", ", ".join(twice_at_once(flow.instance)) or "nothing")
    table.add_row("runs", str(flow.instance.get_runs_count()))
    table.add_row("load of the machine", f"{os.getloadavg()[2]:.1f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
