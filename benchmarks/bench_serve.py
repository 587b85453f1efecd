"""The prediction page with a large gallery: start, first answer, one client and several.

    python benchmarks/bench_serve.py --people 100000

The real page over HTTP, on a bucket of its own, beside the page of an earlier commit on the same
bucket, in turns; and beside what detection and embedding alone would allow. Quote ratios: other
work on the machine is in every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the tests are not installed

from big_gallery import put_big_release
from rich.console import Console
from rich.table import Table

from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.media.photos import read_photo
from twin_matcher_dagster.pages.visitor_photos import PHOTOS_PATH
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import PROJECT_ROOT, SAMPLE
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.end_to_end.store_server import StoreServer

BEFORE = "5c0594e"
"""The commit whose page is measured beside: the last one that answered through torch."""
PHOTO = SAMPLE / "photos" / "keiko.jpg"
PATIENCE = 180.0
JSON = {"Content-Type": "application/json"}
RAW = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Page:
    """A page to start: where its sources are, and its bucket."""

    root: Path
    bucket: str


@dataclass
class Measured:
    """What was seen of one page, over all its turns.

    Attributes:
        ready: seconds from its start to its first answer to any request.
        first: seconds of the first question.
        alone: seconds of each question of one client.
        together: answers a second of all clients, a turn each.
        waits: seconds of each of their questions.
        bytes: of an answer.
        errors: questions without an answer.
        memory: resident MB at the end of a turn.
    """

    ready: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    errors: int = 0
    memory: list[float] = field(default_factory=list)


def main() -> int:
    """Print the table."""
    wanted = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    wanted.add_argument("--people", type=int, default=100_000)
    wanted.add_argument("--clients", type=int, default=8)
    wanted.add_argument("--turns", type=int, default=3, help="of each page, one after the other")
    wanted.add_argument("--questions", type=int, default=20, help="of one client alone")
    wanted.add_argument("--seconds", type=float, default=15.0, help="of all clients together")
    wanted.add_argument("--before", default=BEFORE, help="a commit; '' for none")
    given = wanted.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-serve-"))
    server = StoreServer(folder / "objects")
    worktree = folder / "before"
    try:
        os.environ.update(server.variables)
        store = ObjectStore.from_environment(server.variables["TWIN_MATCHER_BUCKET"])
        put_big_release(store, given.people)
        pages = {"this page": Page(PROJECT_ROOT, store.bucket)}
        if given.before:
            git("worktree", "add", "--detach", str(worktree), given.before)
            other = ObjectStore.from_environment("before")
            other.client.create_bucket(Bucket=other.bucket)
            put_big_release(other, given.people, earlier=True)
            pages = {f"page of {given.before}": Page(worktree, other.bucket), **pages}
        found = {name: Measured() for name in pages}
        floors: list[float] = []
        for turn in range(given.turns):
            for name, page in pages.items():
                measure(page, given, found[name])
            floors.append(floor(store, given.seconds))
            print(f"turn {turn + 1} of {given.turns}", file=sys.stderr)
        show(found, statistics.median(floors), given)
    finally:
        if worktree.exists():
            git("worktree", "remove", "--force", str(worktree))
        server.close()
        shutil.rmtree(folder)
    return int(any(one.errors for one in found.values()))


def git(*command: str) -> None:
    subprocess.run(["git", *command], cwd=PROJECT_ROOT, check=True, capture_output=True)


def measure(asked: Page, given: argparse.Namespace, into: Measured) -> None:
    """Start a page, ask it, and stop it."""
    ports = HeldPorts(1)
    (port,) = ports.numbers
    with tempfile.TemporaryDirectory() as temporary, (Path(temporary) / "log").open("wb") as log:
        began = time.monotonic()
        page = subprocess.Popen(
            [sys.executable, "-m", "twin_matcher_dagster.pages.predict"],
            cwd=asked.root,
            env={
                **os.environ,
                "PYTHONPATH": str(asked.root),
                "TWIN_MATCHER_BUCKET": asked.bucket,
                "PREDICT_PORT": str(port),
                "GRADIO_TEMP_DIR": temporary,
                "TWIN_MATCHER_HOME": temporary,
                # All visitors of this benchmark are one.
                **dict.fromkeys(UNBOUNDED, "1000000"),
            },
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_ready(port, page)
            into.ready.append(time.monotonic() - began)
            into.first.append(timed(lambda: ask(port), into))
            into.alone += [timed(lambda: ask(port), into) for _ in range(given.questions)]
            rate, waits = crowd(port, given.clients, given.seconds, into)
            into.together.append(rate)
            into.waits += waits
            into.memory.append(resident_mb(page.pid))
        finally:
            page.terminate()
            page.wait()
            ports.release()


def wait_until_ready(port: int, page: subprocess.Popen[bytes]) -> None:
    """Until it says that it has a release, where it says that; else until it says anything."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and page.poll() is None:
        for path in ("/readyz", "/healthz"):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10)
                return
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    break
            except OSError:
                break
        time.sleep(0.05)
    raise SystemExit("The page did not start.")


def timed(ask_once: Callable[[], int], into: Measured) -> float:
    began = time.monotonic()
    try:
        into.bytes.append(ask_once())
    except (HTTPException, OSError, ValueError) as error:
        print(f"no answer: {str(error)[:90]!r}", file=sys.stderr)
        into.errors += 1
    return time.monotonic() - began


def ask(port: int) -> int:
    """One question as a browser puts it: the photo is handed over, then asked about.

    Returns:
        Bytes of the answer.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        door = door_of(port)
        photo = PHOTO.read_bytes()
        if door.is_api:
            answer = _asked_by_name(connection, photo)
        else:
            answer = _asked_as_browser(connection, photo, door)
    finally:
        connection.close()
    if b"Person" not in answer:
        raise ValueError(answer[:200].decode(errors="replace"))
    return len(answer)


UNBOUNDED = (
    *("VISITOR_REQUESTS", "VISITOR_MEGABYTES", "VISITOR_QUESTIONS", "VISITOR_CONNECTIONS"),
    "VISITOR_WAITING",
)


@dataclass(frozen=True)
class Door:
    """How a page is asked: by the name of its API as the earlier ones, or as a browser does it."""

    is_api: bool
    function: int
    in_queue: bool = True


@cache
def door_of(port: int) -> Door:
    """Of the page on a port: they are all different."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/config") as answer:
        functions = json.load(answer)["dependencies"]
    for one in functions:
        if any(event == "submit" for _, event in one["targets"]):
            return Door(False, one["id"], one.get("queue") is not False)
    return Door(True, 0)


def _asked_as_browser(connection: HTTPConnection, photo: bytes, door: Door) -> bytes:
    token = json.loads(request(connection, "POST", PHOTOS_PATH, photo, RAW))["token"]
    session = uuid4().hex
    event = {"tokens": [token]}
    about = {
        "data": [None],
        "event_data": event,
        "fn_index": door.function,
        "session_hash": session,
    }
    if not door.in_queue:
        body = json.dumps(about).encode()
        return request(connection, "POST", "/gradio_api/run/predict", body, JSON)
    request(connection, "POST", "/gradio_api/queue/join", json.dumps(about).encode(), JSON)
    path = f"/gradio_api/queue/data?session_hash={session}"
    return request(connection, "GET", path, b"", {})


def _asked_by_name(connection: HTTPConnection, photo: bytes) -> bytes:
    border = uuid4().hex
    head = (
        f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + photo + f"\r\n--{border}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
    (path,) = json.loads(request(connection, "POST", "/gradio_api/upload", body, kind))
    call = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
    told = request(connection, "POST", "/gradio_api/call/twins", json.dumps(call).encode(), JSON)
    event = json.loads(told)["event_id"]
    return request(connection, "GET", f"/gradio_api/call/twins/{event}", b"", {})


def request(
    connection: HTTPConnection, how: str, path: str, body: bytes, headers: Mapping[str, str]
) -> bytes:
    connection.request(how, path, body or None, dict(headers))
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise ValueError(f"{answer.status}: {data[:200].decode(errors='replace')}")
    return data


def crowd(port: int, clients: int, seconds: float, into: Measured) -> tuple[float, list[float]]:
    """Several clients, each with the next question as soon as the last one is answered."""
    end = time.monotonic() + seconds
    waits: list[float] = []

    def client() -> None:
        while time.monotonic() < end:
            waits.append(timed(lambda: ask(port), into))

    began = time.monotonic()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(waits) / (time.monotonic() - began), waits


def floor(store: ObjectStore, seconds: float) -> float:
    """Answers a second that detection and embedding alone allow, on all cores."""
    reader, photo = Production(store).finder()._reader, read_photo(PHOTO)
    reader.read([photo])
    end, done = time.monotonic() + seconds, count()

    def work() -> None:
        while time.monotonic() < end:
            reader.read([photo])
            next(done)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(os.cpu_count() or 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return next(done) / (time.monotonic() - began)


def resident_mb(pid: int) -> float:
    """Of a process; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    sizes = (int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
    return next(sizes, 0.0)  # it has ended


def show(found: Mapping[str, Measured], allowed: float, given: argparse.Namespace) -> None:
    """Print what was measured."""
    table = Table(title=f"{given.people:,} people, {given.turns} turns, {os.cpu_count()} cores")
    table.add_column("median")
    for name in found:
        table.add_column(name, justify="right")

    def row(name: str, value: Callable[[Measured], str]) -> None:
        table.add_row(name, *(value(one) for one in found.values()))

    row("ready after start, s", lambda one: f"{statistics.median(one.ready):.1f}")
    row("first answer, ms", lambda one: f"{1000 * statistics.median(one.first):.0f}")
    row("one client, p50 ms", lambda one: f"{1000 * statistics.median(one.alone):.0f}")
    row(f"{given.clients} clients, answers/s", lambda one: f"{statistics.median(one.together):.1f}")
    row(
        f"{given.clients} clients, p50 ms", lambda one: f"{1000 * statistics.median(one.waits):.0f}"
    )
    share = "share of detection and embedding alone"
    row(share, lambda one: f"{statistics.median(one.together) / allowed:.0%}")
    row("an answer, kB", lambda one: f"{statistics.median(one.bytes or [0]) / 1000:.0f}")
    row("errors", lambda one: str(one.errors))
    row("resident, MB", lambda one: f"{statistics.median(one.memory):.0f}")
    table.caption = f"Detection and embedding alone: {allowed:.1f} a second."
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
