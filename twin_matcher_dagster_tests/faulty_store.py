"""A proxy in front of the real S3 server that can be told to fail, in each way a store can.

The unmodified clients talk to it with ``AWS_ENDPOINT_URL_S3``; what it does not fail it passes on
as it is, signature and all. It runs in a thread of the test, and serves other processes too::

    with FaultyStore(s3_variables) as faulty:
        store = ObjectStore(faulty.client(CLIENT_CONFIG), bucket)
        with faulty.having(Fault("refused")):
            ...                                 # nobody listens
        faulty.set(Fault("cut", methods={"GET"}, share=0.3))
        faulty.heal()
        with faulty.storm(seed=7):              # one fault after the other, and calm between them
            ...
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import Callable, Collection, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from twin_matcher_dagster.local.ports import HeldPorts

Kind = Literal[
    "refused",  # nobody listens, and whoever is connected is cut off
    "silent",  # the request is taken, and never answered
    "500",  # InternalError
    "503",  # SlowDown
    "slow",  # the answer comes byte by byte
    "cut",  # the connection ends somewhere in the answer
    "lost",  # what was asked for is done, and not a byte of the answer comes
    "torn",  # the store gets a part of the request, and then no more
    "clock",  # the store's clock is off: Date, Last-Modified and the times in listings
    "skewed",  # RequestTimeTooSkewed: the client's clock is off
    "full",  # QuotaExceeded to whatever writes; reading and deleting go on
]
KINDS: tuple[Kind, ...] = get_args(Kind)
WRITES = frozenset({"PUT", "POST"})

_REFUSALS: Mapping[str, tuple[int, str, str]] = {
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "503": (503, "SlowDown", "Please reduce your request rate."),
    "skewed": (403, "RequestTimeTooSkewed", "The difference is too large."),
    "full": (403, "QuotaExceeded", "The quota of the bucket is used up."),
}
_HEADER_TIME = re.compile(rb"(?mi)^((?:date|last-modified): )([^\r\n]+)")
_LISTED_TIME = re.compile(rb"(<LastModified>)(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    Attributes:
        kind: which.
        seconds: of ``slow`` between two bytes, of ``clock`` how far the store's is ahead.
        methods: of the requests that fail; all by default, of ``full`` those that write.
        path: part of the path of these; any by default.
        share: of these how many fail, drawn by the proxy's seed, 0 to 1.
    """

    kind: Kind
    seconds: float = 0.0
    methods: Collection[str] = ()
    path: str = ""
    share: float = 1.0

    def concerns(self, method: str, path: str) -> bool:
        """Whether it is about a request."""
        methods = self.methods or (WRITES if self.kind == "full" else ())
        return (not methods or method in methods) and self.path in path


@dataclass(frozen=True)
class Passed:
    """A request that came, and which fault became of it; empty where none did."""

    method: str
    path: str
    fault: str


@dataclass
class FaultyStore:
    """The proxy; start it with ``with``.

    Attributes:
        variables: the environment that points at the real server.
        seed: of what is drawn: which requests of a share fail, and where an answer is cut.
        passed: all requests so far.
    """

    variables: Mapping[str, str]
    seed: int = 0
    passed: list[Passed] = field(default_factory=list)

    def __post_init__(self) -> None:
        address = urlsplit(self.variables["AWS_ENDPOINT_URL_S3"])
        self._behind = address.hostname, address.port
        self._held = HeldPorts(1)
        self._port = self._held.numbers[0]
        self._random = random.Random(self.seed)  # noqa: S311
        self._faults: tuple[Fault, ...] = ()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._clients: dict[Config, Any] = {}

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the real server, pointing here."""
        return {**self.variables, "AWS_ENDPOINT_URL_S3": self.url}

    def client(self, config: Config) -> Any:
        """A client that comes by here; one for each configuration, for it takes a while to make."""
        if config not in self._clients:
            self._clients[config] = boto3.client("s3", endpoint_url=self.url, config=config)
        return self._clients[config]

    def __enter__(self) -> FaultyStore:
        threading.Thread(target=self._loop.run_forever, name="faulty store", daemon=True).start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._faults = ()
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._held.release()

    def set(self, *faults: Fault) -> None:
        """Fail from now on, each request in the first way that is about it; whatever was before."""
        self._run(self._set(faults))

    def heal(self) -> None:
        """Fail no more; what came slowly comes at once, what hangs ends."""
        self.set()

    @contextmanager
    def having(self, *faults: Fault) -> Generator[FaultyStore]:
        """Fail for a while."""
        self.set(*faults)
        try:
            yield self
        finally:
            self.heal()

    @contextmanager
    def storm(self, seed: int, told: Callable[[Fault], None] = lambda fault: None) -> Generator:
        """Fail as :func:`weather` says until the block ends; then heal."""
        over = threading.Event()

        def rage() -> None:
            for calm, fault, lasts in weather(seed):
                if over.wait(calm):
                    return
                told(fault)
                self.set(fault)
                if over.wait(lasts):
                    return
                self.heal()

        thread = threading.Thread(target=rage, name="storm")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.heal()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, reuse_address=True, limit=1 << 20
        )

    async def _close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._connections:
            writer.transport.abort()

    async def _stop(self) -> None:
        await self._close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _set(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        self._changed.set()  # whoever waits looks again
        self._changed = asyncio.Event()
        if any(fault.kind == "refused" for fault in faults):
            await self._close()
        elif self._server is None:
            await self._listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            first, *headers = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
            method, path, _ = first.split(" ", 2)
            named = {line.split(":")[0].lower(): line for line in headers}
            if "expect" in named:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(named.get("content-length", ":0").split(":")[1])
            body = await reader.readexactly(length)
            ours = ("connection", "expect")
            kept = [line for name, line in named.items() if name not in ours]
            request = "\r\n".join([first, *kept, "Connection: close", "", ""]).encode("latin-1")
            fault = self._drawn(method, path)
            self.passed.append(Passed(method, path, fault.kind if fault else ""))
            await self._answer(fault, method, request, body, writer)
        self._connections.discard(writer)
        writer.close()

    def _drawn(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.concerns(method, path) and self._random.random() < fault.share:
                return fault
        return None

    async def _answer(
        self,
        fault: Fault | None,
        method: str,
        request: bytes,
        body: bytes,
        writer: asyncio.StreamWriter,
    ) -> None:
        kind = fault.kind if fault else ""
        if kind == "silent":
            await self._changed.wait()
        elif kind in _REFUSALS:
            writer.write(_refusal(kind, method))
            await writer.drain()
        elif kind == "torn":
            await self._ask(request, body[: self._random.randrange(len(body) or 1)], torn=True)
        else:
            answer = await self._ask(request, body)
            if fault and kind == "clock":
                answer = _shifted(answer, timedelta(seconds=fault.seconds))
            if kind == "cut":
                answer = answer[: self._random.randrange(len(answer))]
            if fault and kind == "slow":
                answer = await self._trickle(answer, writer, fault.seconds)
            if kind != "lost":
                writer.write(answer)
                await writer.drain()

    async def _trickle(self, answer: bytes, writer: asyncio.StreamWriter, seconds: float) -> bytes:
        """Send an answer byte by byte; what is left of it when the fault is over."""
        changed = self._changed
        for position in range(len(answer)):
            if changed.is_set():
                return answer[position:]
            writer.write(answer[position : position + 1])
            await writer.drain()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(changed.wait(), seconds)
        return b""

    async def _ask(self, request: bytes, body: bytes, *, torn: bool = False) -> bytes:
        """The real server's answer, head and body, as it comes."""
        reader, writer = await asyncio.open_connection(*self._behind)
        try:
            writer.write(request + body)
            await writer.drain()
            return b"" if torn else await reader.read()
        finally:
            writer.close()


def weather(seed: int) -> Iterator[tuple[float, Fault, float]]:
    """A storm without end: seconds of calm, a fault, and the seconds that it lasts.

    Each kind comes in a random order before any comes again.
    """
    drawn = random.Random(seed)  # noqa: S311
    while True:
        for kind in drawn.sample(KINDS, len(KINDS)):
            seconds = {"slow": 0.05, "clock": drawn.choice([-3600.0, 3600.0])}.get(kind, 0.0)
            share = 1.0 if kind in ("refused", "clock", "full") else drawn.choice([0.3, 1.0])
            calm, lasts = drawn.uniform(1, 10), drawn.uniform(1, 20)
            yield calm, Fault(kind, seconds, share=share), lasts


def _refusal(kind: str, method: str) -> bytes:
    status, code, message = _REFUSALS[kind]
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    head = (
        f"HTTP/1.1 {status} Refused\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        f"Date: {format_datetime(datetime.now(timezone.utc), usegmt=True)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)


def _shifted(answer: bytes, by: timedelta) -> bytes:
    """An answer of a store whose clock is ahead; no time changes its length."""
    head, gap, body = answer.partition(b"\r\n\r\n")

    def header(match: re.Match[bytes]) -> bytes:
        told = parsedate_to_datetime(match[2].decode()) + by
        return match[1] + format_datetime(told.astimezone(timezone.utc), usegmt=True).encode()

    def listed(match: re.Match[bytes]) -> bytes:
        return match[1] + (datetime.fromisoformat(match[2].decode()) + by).isoformat().encode()

    return _HEADER_TIME.sub(header, head) + gap + _LISTED_TIME.sub(listed, body)
