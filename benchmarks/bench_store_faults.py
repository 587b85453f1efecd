"""Claim: whoever asks the pages for something is answered within ten seconds while S3 fails.

The pages' own functions, with their own limits, on the embedded S3 server behind a proxy that fails
in each way; a fault is there before the visitor asks. Each line is one try. Ten seconds decide the
exit status.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster.pages.erasure_form import erase_for_visitor
from twin_matcher_dagster.pages.page import VISITOR_WAITS_S
from twin_matcher_dagster.pages.session import Session, send_faces
from twin_matcher_dagster.pages.status_desk import StatusDesk
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster_tests.faulty_store import KINDS, Fault, FaultyStore
from twin_matcher_dagster_tests.kit import CODE, Kit

MOST_SECONDS = 10.0
FACES = tuple(np.full((160, 160, 3), 10 * n, np.uint8) for n in range(MIN_FACES))
ENGLISH = words_in("en")


@contextmanager
def served() -> Generator[dict[str, str]]:
    """An S3 server of its own, and the variables that point at it."""
    ports, inner = HeldPorts(1), embedded_s3.inner_ports()
    variables = {
        "AWS_ACCESS_KEY_ID": "BENCH",
        "AWS_SECRET_ACCESS_KEY": "bench-bench-bench",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{ports.numbers[0]}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TWIN_MATCHER_BUCKET": "bench",
    }
    with tempfile.TemporaryDirectory() as folder:
        objects = Path(folder, "objects")
        objects.mkdir()
        server = subprocess.Popen(
            embedded_s3.server_command(objects, ports.numbers[0], inner),
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            os.environ.update(variables)
            embedded_s3.wait_until_ready(variables)
            yield variables
        finally:
            server.kill()
            server.wait()


def timed(ask: Callable[[], str]) -> tuple[float, str]:
    """How many seconds an answer took, and its first words."""
    began = time.monotonic()
    said = " ".join(re.sub(r"<[^>]+>", " ", ask()).split())
    return time.monotonic() - began, said[:52]


def main() -> int:
    """Print a table; 0 if the claim holds."""
    longest = 0.0
    with served() as variables, FaultyStore(variables) as faulty:
        direct = embedded_s3.wait_until_ready(variables)
        store = ObjectStore(faulty.client(PAGE_CONFIG), direct.bucket)
        kit = Kit(direct)
        kit.celebrities()
        kit.version()
        kit.release(kit.train(real=True))
        production = Production(store, VISITOR_WAITS_S / 2)
        production.finder()

        def status_of_visitor(upload_id: str) -> str:
            try:
                return StatusDesk(store).look(upload_id, ENGLISH).status
            except StorageError as error:
                return type(error).__name__

        def fresh() -> str:
            try:
                return f"release {Production(store, VISITOR_WAITS_S / 2).finder().number}"
            except StorageError as error:
                return type(error).__name__

        for kind in KINDS:
            session, upload_id = Session(FACES), kit.upload()
            asks = {
                "send": lambda s=session: (
                    send_faces(store, s, "Ana", Consent.now(), ENGLISH).message
                ),
                "status": lambda u=upload_id: status_of_visitor(u),
                "erase": lambda u=upload_id: erase_for_visitor(store, u, CODE, ENGLISH),
                "twins": lambda: f"release {production.finder().number}",
                "twins, page just started": fresh,
            }
            for name, ask in asks.items():
                seconds = 3600.0 if kind == "clock" else 1.0
                with faulty.having(Fault(kind, seconds)):
                    took, said = timed(ask)
                longest = max(longest, took)
                print(f"{kind:8} {name:25} {took:5.1f} s  {said}", flush=True)
    return int(longest > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
