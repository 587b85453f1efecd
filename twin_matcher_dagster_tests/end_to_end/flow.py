"""A running installation whose parts are killed, and what has to hold of it all the same.

``up`` runs as a process, restarted as a service manager does; visitors come and go meanwhile.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import dagster as dg
import psutil

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.local import embedded_s3, services
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster_tests.end_to_end import promises
from twin_matcher_dagster_tests.end_to_end.conftest import PATIENCE, Installation
from twin_matcher_dagster_tests.end_to_end.processes import processes_of, workers_of
from twin_matcher_dagster_tests.end_to_end.store_server import StoreServer
from twin_matcher_dagster_tests.end_to_end.visitors import Visitor

RUN, UP = "run", "up"
VICTIMS = (RUN, services.CODE, services.DAEMON, services.DAGSTER, services.S3, UP)
VICTIMS_TOO = (services.UPLOAD, services.PREDICT)
LOOK_SECONDS = 5.0
COMES_SECONDS = 120.0
"""So long is waited for what is to be killed, and was killed a moment ago itself."""


class StalledError(AssertionError):
    """Nothing moves any more, and not all is as it has to be."""


class Flow:
    """An installation that is kept up, and its visitors.

    Args:
        installation: where; it has a release.
        say: told what happens.
        server: of a bucket of its own; None with the embedded one.

    Attributes:
        killed: how often what was killed.
        visitors: all who came so far.
    """

    def __init__(
        self,
        installation: Installation,
        say: Callable[[str], None],
        server: StoreServer | None = None,
    ) -> None:
        self._installation = installation
        self._server = server
        self._say = say
        self.killed: Counter[str] = Counter()
        self.visitors: list[Visitor] = []
        self._starts = 0
        self._pool = ThreadPoolExecutor(8)
        self._errands: list[Future[None]] = []
        self._up = self._start()
        installation.wait_for(r"Stop with Ctrl-C", self._up, PATIENCE)
        variables = {**environment(installation.settings()), **installation.variables}
        self._door = embedded_s3.wait_until_ready(variables)
        # What has to hold is asked of the store itself, whatever the way to it is like.
        self.store = embedded_s3.wait_until_ready(server.variables) if server else self._door
        self.instance = dg.DagsterInstance.from_config(variables["DAGSTER_HOME"])

    def _start(self) -> subprocess.Popen[bytes]:
        """Start ``up``; what the one before it logged is kept."""
        for path in (self._installation.home / "up.log", self._installation.output):
            if path.exists():
                shutil.copy(path, path.parent.parent / f"{path.stem}-{self._starts:03d}.log")
        self._starts += 1
        return self._installation.start("up")

    def keep(self) -> None:
        """Start ``up`` again if it has ended, as a service manager does."""
        if self._server:
            self._server.keep()
        code = self._up.poll()
        if code is not None:
            if code != -signal.SIGKILL:
                self._say(f"up ended with {code}: {self._installation.output.read_text()[-500:]}")
                self.killed["up ended by itself"] += 1
            self._up = self._start()

    def close(self) -> None:
        """Stop everything."""
        self._pool.shutdown(cancel_futures=True)
        self._up.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._up.wait(120)
        self.instance.dispose()

    def upload(self, visitor: Visitor) -> None:
        """Somebody comes; sends again for as long as the store is away."""
        self.visitors.append(visitor)
        self._errands.append(self._pool.submit(visitor.hand_in, self._door))

    def erase(self, visitor: Visitor) -> None:
        """Somebody takes an upload out again, as soon as it is in."""

        def errand() -> None:
            while visitor.committed is None:
                time.sleep(1)
            visitor.erase(self._door)

        self._errands.append(self._pool.submit(errand))

    def kill(self, victim: str) -> None:
        """``kill -9`` of a service, of the run that began last, or of ``up``, once it is there."""
        deadline = time.monotonic() + COMES_SECONDS
        while not (there := self._there(victim)):
            if time.monotonic() > deadline:
                self.killed[f"{victim}, which was not there"] += 1
                return
            self.wait(1)
        with suppress(psutil.Error):
            there.kill()
        self.killed[victim] += 1
        self._say(f"killed: {victim}")

    def _there(self, victim: str) -> psutil.Process | StoreServer | None:
        """What would be killed now."""
        if victim == services.S3 and self._server:
            return self._server
        if victim == UP:
            ready = "Stop with Ctrl-C" in self._installation.output.read_text()
            return psutil.Process(self._up.pid) if ready else None
        home = self._installation.home
        found = workers_of(home) if victim == RUN else processes_of(home, victim)
        return found[0] if found else None

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.keep()
            time.sleep(min(1.0, left))

    def settle(self) -> None:
        """Wait until all is as it has to be, for as long as there is progress.

        Raises:
            StalledError: there is none.
        """
        seen, moved, said = None, time.monotonic(), ""
        while True:
            self.keep()
            try:
                wrong, now = self._unsettled(), self._position()
            except StorageError as error:
                wrong, now = [f"the store does not answer: {error}"], seen
            if not wrong:
                return
            if now != seen:
                seen, moved = now, time.monotonic()
            sentence = f"{len(wrong)} to go: {'; '.join(wrong[:3])}"
            if sentence != said:
                self._say(sentence)
                said = sentence
            if time.monotonic() - moved > PATIENCE:
                broken = promises.broken(self.store, self.visitors)
                raise StalledError("\n".join([*wrong, *broken]))
            self.wait(LOOK_SECONDS)

    def _position(self) -> tuple[object, ...]:
        """Something else whenever anything has moved."""
        runs = self.instance.get_runs(limit=200)
        folders = (layout.ARRIVALS, layout.CHANGES, *map(layout.log, _LOGS))
        return (
            [(run.run_id, run.status) for run in runs],
            [list(self.store.list(f"{folder}/")) for folder in folders],
        )

    def _on_their_way(self) -> Iterator[str]:
        for errand in self._errands:
            if not errand.done():
                yield "a visitor waits for an answer"
            else:
                errand.result()

    def _unsettled(self) -> list[str]:
        """What is not yet as it has to be; what costs more is asked when all before it is."""
        erased = [one for one in self.visitors if one.erased]
        others = {one.name for one in self.visitors if not one.erased}
        return next(
            (
                found
                for ask in (
                    self._on_their_way,
                    lambda: promises.unfinished(self.instance, self.store),
                    lambda: promises.broken(self.store, self.visitors),
                    lambda: promises.traces(self._everything(), erased, others),
                )
                if (found := list(ask()))
            ),
            [],
        )

    def _everything(self) -> Iterator[tuple[str, bytes]]:
        """All files, and all objects where the files of the bucket's server are not ours."""
        for path in self._installation.home.rglob("*"):
            with suppress(OSError):  # gone meanwhile
                if path.is_file():
                    yield str(path), path.read_bytes()
        if self._server:
            yield from self.store.everything()

    def states(self) -> Counter[str]:
        """How many uploads are what."""
        found: Counter[str] = Counter()
        for visitor in self.visitors:
            log = verdicts(self.store, visitor.upload_id)
            head = None if visitor.erased else log.head()
            found["erased" if visitor.erased else head.record.state if head else "no verdict"] += 1
            found["another clip"] += bool(head and head.record.is_another_clip)
        return found

    def made(self, asset: str) -> int:
        """How often an asset was materialized."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=5000).records
        return len(records)


_LOGS = (
    layout.RAW,
    layout.BALANCED,
    layout.DATASETS,
    layout.TRAININGS_DUE,
    layout.MODELS,
    layout.INDEXES,
    layout.RELEASES,
    layout.TWINS,
)


def storm(
    flow: Flow,
    visitors: Sequence[Visitor],
    erasures: int,
    kills: int,
    seed: int,
    pause_s: float,
) -> None:
    """Uploads, erasures and kills in a seeded order, with seeded pauses between them.

    Args:
        flow: the installation.
        visitors: who comes.
        erasures: so many of them take their upload out again.
        kills: so many processes are killed, the kinds in equal parts.
        seed: of order, victims and pauses.
        pause_s: mean of the pauses.
    """
    draw = random.Random(seed)  # noqa: S311
    victims = [[*VICTIMS, *VICTIMS_TOO][n % 8] for n in range(kills)]
    draw.shuffle(victims)
    left = iter(victims)
    coming = iter(visitors)
    steps = ["upload"] * len(visitors) + ["erase"] * erasures + ["kill"] * kills
    draw.shuffle(steps)
    # Who erases has come before.
    first = steps.index("upload")
    steps[0], steps[first] = steps[first], steps[0]
    stay: list[Visitor] = []
    for step in steps:
        if step == "upload":
            visitor = next(coming)
            flow.upload(visitor)
            stay.append(visitor)
        elif step == "kill":
            flow.kill(next(left))
        elif stay:
            flow.erase(stay.pop(draw.randrange(len(stay))))
        flow.wait(draw.uniform(0, 2 * pause_s))
