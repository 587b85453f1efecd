"""A service for the tests of the supervisor: answers ``/healthz`` on a port, as it is told to.

In its folder it notes the number of each of its processes. A file ``busy`` or ``idle`` there keeps
it from listening, and ``dies`` ends it. It has a child of its own, in a session of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"page": "ok"}')


def main(port: int, folder: Path) -> None:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with (folder / "pids").open("a") as file:
        file.write(f"{os.getpid()} {child.pid}\n")
    if (folder / "dies").exists():
        sys.exit("there is no such backbone")
    while (folder / "busy").exists():
        sum(range(10_000))
    while (folder / "idle").exists():
        time.sleep(0.05)
    HTTPServer(("127.0.0.1", port), Answer).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
