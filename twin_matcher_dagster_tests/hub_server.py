"""A small Hugging Face Hub for the tests: real clients point at it with HF_ENDPOINT.

Written from the requests of huggingface_hub 2.4, datasets 5.2 and transformers 5.23. A commit is an
immutable list of files; blobs lie on disk by their hash. Everything that comes in is noted, and any
request can be made to fail.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import uvicorn
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

LARGE = {".parquet", ".safetensors", ".bin", ".h5", ".msgpack", ".onnx"}
OWNER, READER = "owner-token", "reader-token"
REPO = r"(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)"
FILES = r"(?P<prefix>datasets/)?(?P<repo>[^/]+/[^/]+?)"


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fault:
    """What becomes of the next requests that a pattern matches.

    Attributes:
        status: answer with it instead of doing anything.
        headers: of that answer.
        delay_s: wait before doing anything.
        together: wait until so many of its requests have come.
        cut: end the connection in the middle of the answer; what was asked for is done.
        count: how many requests; then the fault is over.
        meanwhile: what happens before the request is looked at.
        came: how many of its requests have come.
    """

    pattern: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    together: int = 0
    cut: bool = False
    count: int = 1
    meanwhile: Callable[[], None] = lambda: None
    came: int = 0


@dataclass
class Repo:
    """Commits are never changed; branches and tags name them."""

    private: bool
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> str:
        """The commit that a branch, a tag or a commit id names."""
        named = self.refs.get(revision) or self.tags.get(revision) or revision
        if named not in self.commits:
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return named

    def add(self, files: Mapping[str, Any], title: str, parent: str | None) -> str:
        """Write a commit and move the branch to it."""
        body = {
            "files": dict(sorted(files.items())),
            "title": title,
            "parent": parent,
            "date": now(),
        }
        oid = hashlib.sha1(json.dumps(body).encode()).hexdigest()  # noqa: S324 - as git does
        self.commits[oid] = body
        self.refs["main"] = oid
        return oid


class Refusal(Exception):  # noqa: N818 - what the server says, no fault of it
    """An answer that is not 200, with the headers that clients tell errors by."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        self.response = JSONResponse(
            {"error": message}, status, {name: text for name, text in headers.items() if text}
        )


class HubServer:
    """The server's state, and what it saw."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""
        self.repos: dict[tuple[str, str], Repo] = {}
        self.requests: list[Request] = []
        self.answers: list[tuple[int, Request]] = []
        self.faults: list[Fault] = []
        self._lock = threading.RLock()

    # What tests ask for.

    def repo(self, kind: str, name: str) -> Repo:
        return self.repos[kind, name]

    def content(self, kind: str, name: str, path: str, revision: str = "main") -> bytes:
        repo = self.repo(kind, name)
        return self._blob(repo.commits[repo.find(revision)]["files"][path])

    def paths(self, kind: str, name: str, revision: str = "main") -> list[str]:
        repo = self.repo(kind, name)
        return list(repo.commits[repo.find(revision)]["files"])

    def put(self, kind: str, name: str, files: Mapping[str, bytes], private: bool = False) -> None:
        """Make or change a repository without a client, as somebody else would."""
        with self._lock:
            repo = self.repos.get((kind, name)) or self._create(kind, name, private)
            head = repo.refs["main"]
            new = {path: self._store(path, data) for path, data in files.items()}
            repo.add({**repo.commits[head]["files"], **new}, "by somebody else", head)

    def reachable(self, kind: str, name: str) -> set[str]:
        """The commits that a branch or a tag leads to."""
        repo = self.repo(kind, name)
        found, todo = set(), [*repo.refs.values(), *repo.tags.values()]
        while todo:
            oid = todo.pop()
            if oid and oid not in found:
                found.add(oid)
                todo.append(repo.commits[oid]["parent"])
        return found

    def find_blob(self, words: bytes) -> Iterator[Path]:
        """Stored files that hold some bytes, whether or not a commit names them."""
        return (path for path in self._folder.iterdir() if words in path.read_bytes())

    def sent(self, pattern: str) -> list[Request]:
        """The requests whose method and path match."""
        return [one for one in self.requests if re.search(pattern, f"{one.method} {one.path}")]

    def forget(self) -> None:
        """Have no repository and no file any more, and no fault."""
        with self._lock:
            self.repos.clear()
            for blob in self._folder.iterdir():
                blob.unlink()
        self.forget_requests()

    def saved(self) -> tuple[dict[tuple[str, str], Repo], dict[str, bytes]]:
        """All repositories, and all files."""
        with self._lock:
            return copy.deepcopy(self.repos), {
                blob.name: blob.read_bytes() for blob in self._folder.iterdir()
            }

    def put_back(self, kind: str, name: str, repo: Repo, blobs: Mapping[str, bytes]) -> None:
        """Have a repository that was saved, with all files, under any name."""
        with self._lock:
            self.repos[kind, name] = copy.deepcopy(repo)
            for blob, data in blobs.items():
                (self._folder / blob).write_bytes(data)

    def forget_requests(self) -> None:
        self.requests.clear()
        self.answers.clear()
        self.faults.clear()

    def variables(self, home: Path) -> dict[str, str]:
        """What points clients at this server: most of it is read when they are imported."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": OWNER,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    # Files.

    def _create(self, kind: str, name: str, private: bool) -> Repo:
        repo = self.repos[kind, name] = Repo(private)
        lines = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE)
        first = {".gitattributes": self._store(".gitattributes", lines.encode())}
        repo.add(first, "initial commit", None)
        return repo

    def _store(self, path: str, data: bytes) -> dict[str, Any]:
        oid = git_hash(data)
        if Path(path).suffix in LARGE:
            sha256 = hashlib.sha256(data).hexdigest()
            (self._folder / sha256).write_bytes(data)
            return {"oid": oid, "size": len(data), "lfs": sha256}
        (self._folder / oid).write_bytes(data)
        return {"oid": oid, "size": len(data), "lfs": None}

    def _blob(self, file: Mapping[str, Any]) -> bytes:
        return (self._folder / (file["lfs"] or file["oid"])).read_bytes()

    # HTTP.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        request = Request(
            scope["method"],
            scope["raw_path"].decode(),
            scope["query_string"].decode(),
            {name.decode(): value.decode() for name, value in scope["headers"]},
            body,
        )
        with self._lock:
            self.requests.append(request)
            fault = self._fault(request)
        if fault and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        while fault and fault.came < fault.together:
            await asyncio.sleep(0.01)
        if fault:
            fault.meanwhile()
        if fault and fault.status:
            refusal = Refusal(fault.status, "", "the test says so").response
            refusal.headers.update(fault.headers)
            response: Response = refusal
        else:
            response = self._answer(request)
        self.answers.append((response.status_code, request))
        if fault and fault.cut:
            response = StreamingResponse(_half(), headers={"Content-Length": "1000"})
        await response(scope, receive, send)

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.count and re.search(fault.pattern, f"{request.method} {request.path}"):
                fault.count -= 1
                fault.came += 1
                return fault
        return None

    def _answer(self, request: Request) -> Response:
        for method, pattern, work in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method.replace("HEAD", "GET"):
                values = {k: unquote(v or "") for k, v in found.groupdict().items()}
                try:
                    with self._lock:
                        return work(self, request, **values)
                except Refusal as refusal:
                    return refusal.response
        return Refusal(404, "", f"no such route: {request.method} {request.path}").response

    def _may(self, request: Request, kind: str, name: str, write: bool = False) -> Repo:
        """The repository, if the token may see it, or write to it."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in {OWNER, READER}:
            raise Refusal(401, "", "Invalid credentials in Authorization header")
        repo = self.repos.get((kind, name))
        if repo is None or (repo.private and not token):
            raise Refusal(404 if token else 401, "RepoNotFound", "Repository not found")
        if write and token != OWNER:
            raise Refusal(403, "", "this token may not write here")
        return repo

    def create(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {OWNER}":
            token = "authorization" in request.headers
            raise Refusal(403 if token else 401, "", "this token may not create repositories")
        said = request.json()
        kind = f"{said.get('type', 'model')}s"
        name = f"{said['organization']}/{said['name']}"
        url = {"url": f"{self.url}/{'datasets/' if kind == 'datasets' else ''}{name}"}
        if (kind, name) in self.repos:
            return JSONResponse({**url, "error": "You already created this repo"}, 409)
        self._create(kind, name, said.get("visibility") == "private")
        return JSONResponse(url)

    def info(self, request: Request, kind: str, repo: str, revision: str = "main") -> Response:
        found = self._may(request, kind, repo)
        sha = found.find(revision or "main")
        files = [{"rfilename": path} for path in found.commits[sha]["files"]]
        body = {"id": repo, "sha": sha, "private": found.private, "siblings": files, "tags": []}
        return JSONResponse(body)

    def tree(self, request: Request, kind: str, repo: str, revision: str, path: str) -> Response:
        found = self._may(request, kind, repo)
        files = found.commits[found.find(revision)]["files"]
        start = f"{path.strip('/')}/" if path.strip("/") else ""
        below = [name for name in files if name.startswith(start)]
        if start and not below:
            raise Refusal(404, "EntryNotFound", f"{path} does not exist")
        deep = "recursive=true" in request.query.lower()
        shown = [name for name in below if deep or "/" not in name.removeprefix(start)]
        parts = [name.removeprefix(start).split("/")[:-1] for name in below]
        depth = 9 if deep else 1
        folders = {start + "/".join(p[:n]) for p in parts for n in range(1, min(len(p), depth) + 1)}
        return JSONResponse(
            [*({"type": "directory", "path": one, "oid": git_hash(b"")} for one in folders)]
            + [_entry(name, files[name]) for name in shown]
        )

    def paths_info(self, request: Request, kind: str, repo: str, revision: str) -> Response:
        found = self._may(request, kind, repo)
        files = found.commits[found.find(revision)]["files"]
        asked = parse_qs(request.body.decode()).get("paths", [])
        return JSONResponse([_entry(path, files[path]) for path in asked if path in files])

    def preupload(self, request: Request, kind: str, repo: str, revision: str) -> Response:
        found = self._may(request, kind, repo, write=True)
        files = found.commits[found.find(revision)]["files"]

        def mode(path: str) -> dict[str, Any]:
            there = files.get(path)
            return {
                "path": path,
                "uploadMode": "lfs" if Path(path).suffix in LARGE else "regular",
                "shouldIgnore": False,
                **({"oid": there["lfs"] or there["oid"]} if there else {}),
            }

        return JSONResponse({"files": [mode(file["path"]) for file in request.json()["files"]]})

    def batch(self, request: Request, prefix: str, repo: str) -> Response:
        self._may(request, "datasets" if prefix else "models", repo, write=True)
        objects = [
            {"oid": one["oid"], "size": one["size"]}
            | (
                {}
                if (self._folder / one["oid"]).exists()
                else {"actions": {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}}}
            )
            for one in request.json()["objects"]
        ]
        return JSONResponse({"transfer": "basic", "objects": objects})

    def upload(self, request: Request, oid: str) -> Response:
        if hashlib.sha256(request.body).hexdigest() != oid:
            raise Refusal(400, "", "the content is not what its name says")
        (self._folder / oid).write_bytes(request.body)
        return Response()

    def commit(self, request: Request, kind: str, repo: str, revision: str) -> Response:
        found = self._may(request, kind, repo, write=True)
        lines = [json.loads(line) for line in request.body.splitlines()]
        header = lines[0]["value"]
        head = found.refs[revision]
        if header.get("parentCommit", head) != head:
            raise Refusal(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(found.commits[head]["files"])
        for line in lines[1:]:
            value = line["value"]
            path = value["path"]
            if line["key"] == "file":
                files[path] = self._store(path, base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                stored = self._folder / value["oid"]
                if not stored.exists():
                    raise Refusal(400, "", f"{path} was not uploaded")
                files[path] = self._store(path, stored.read_bytes())
            elif files.pop(path, None) is None and line["key"] == "deletedFile":
                raise Refusal(404, "EntryNotFound", "A file with this name doesn't exist")
            elif line["key"] == "deletedFolder":
                files = {name: file for name, file in files.items() if not name.startswith(path)}
        oid = found.add(files, header["summary"], head)
        return JSONResponse({"commitOid": oid, "commitUrl": f"{self.url}/{repo}/commit/{oid}"})

    def resolve(
        self, request: Request, prefix: str, repo: str, revision: str, path: str
    ) -> Response:
        found = self._may(request, "datasets" if prefix else "models", repo)
        commit = found.find(revision)
        file = found.commits[commit]["files"].get(path)
        if file is None:
            refusal = Refusal(404, "EntryNotFound", f"{path} does not exist")
            refusal.response.headers["X-Repo-Commit"] = commit
            raise refusal
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if file["lfs"]:  # from another host, as the real Hub's; the URL itself is signed
            headers["X-Linked-ETag"] = f'"{file["lfs"]}"'
            headers["X-Linked-Size"] = str(file["size"])
            headers["ETag"] = f'"{file["lfs"]}"'
            headers["Location"] = f"{self.url.replace('127.0.0.1', 'localhost')}/cdn/{file['lfs']}"
            return Response(None, 302, headers)
        return _ranged(request, self._blob(file), {**headers, "ETag": f'"{file["oid"]}"'})

    def download(self, request: Request, oid: str) -> Response:
        if not (self._folder / oid).exists():
            raise Refusal(404, "", "NoSuchKey")
        return _ranged(request, (self._folder / oid).read_bytes(), {"ETag": f'"{oid}"'})

    def commits(self, request: Request, kind: str, repo: str, revision: str) -> Response:
        found = self._may(request, kind, repo)
        listed, oid = [], found.find(revision)
        while oid:
            body = found.commits[oid]
            listed.append({"id": oid, "message": "", "authors": [], **_only(body, "title", "date")})
            oid = body["parent"]
        return JSONResponse(listed)

    def refs(self, request: Request, kind: str, repo: str) -> Response:
        found = self._may(request, kind, repo)

        def listed(refs: Mapping[str, str], folder: str) -> list[dict[str, str]]:
            return [
                {"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": c} for n, c in refs.items()
            ]

        branches, tags = listed(found.refs, "heads"), listed(found.tags, "tags")
        return JSONResponse({"branches": branches, "tags": tags, "converts": []})

    def tag(self, request: Request, kind: str, repo: str, revision: str) -> Response:
        found = self._may(request, kind, repo, write=True)
        name = request.json()["tag"]
        if name in found.tags:
            raise Refusal(409, "", f"Tag {name} exists already")
        found.tags[name] = found.find(revision)
        return Response()

    def delete_tag(self, request: Request, kind: str, repo: str, revision: str) -> Response:
        if self._may(request, kind, repo, write=True).tags.pop(revision, None) is None:
            raise Refusal(404, "RevisionNotFound", "no such tag")
        return Response()

    def squash(self, request: Request, kind: str, repo: str, revision: str) -> Response:
        found = self._may(request, kind, repo, write=True)
        found.add(found.commits[found.refs[revision]]["files"], request.json()["message"], None)
        return Response()

    def large_files(self, request: Request, kind: str, repo: str) -> Response:
        found = self._may(request, kind, repo, write=True)
        known = {
            file["lfs"]: (path, file["size"])
            for body in found.commits.values()
            for path, file in body["files"].items()
            if file["lfs"]
        }
        return JSONResponse(
            [
                {"fileOid": oid, "filename": path, "oid": oid, "pushedAt": now(), "size": size}
                for oid, (path, size) in known.items()
            ]
        )

    def delete_large(self, request: Request, kind: str, repo: str) -> Response:
        found = self._may(request, kind, repo, write=True)
        deletions = request.json()["deletions"]
        for oid in deletions["sha"]:
            (self._folder / oid).unlink(missing_ok=True)
        for body in found.commits.values():
            body["files"] = {
                path: file
                for path, file in body["files"].items()
                if file["lfs"] not in deletions["sha"]
            }
        return Response()


ROUTES: list[tuple[str, str, Callable[..., Response]]] = [
    ("POST", r"/api/repos/create", HubServer.create),
    ("POST", r"/api/validate-yaml", lambda *_: JSONResponse({"errors": [], "warnings": []})),
    ("GET", rf"/api/{REPO}", HubServer.info),
    ("GET", rf"/api/{REPO}/revision/(?P<revision>[^/]+)", HubServer.info),
    ("GET", rf"/api/{REPO}/tree/(?P<revision>[^/]+)(?P<path>/.*)?", HubServer.tree),
    ("POST", rf"/api/{REPO}/paths-info/(?P<revision>[^/]+)", HubServer.paths_info),
    ("POST", rf"/api/{REPO}/preupload/(?P<revision>[^/]+)", HubServer.preupload),
    ("POST", rf"/{FILES}\.git/info/lfs/objects/batch", HubServer.batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", HubServer.upload),
    ("POST", rf"/api/{REPO}/commit/(?P<revision>[^/]+)", HubServer.commit),
    ("GET", rf"/{FILES}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", HubServer.resolve),
    ("GET", r"/cdn/(?P<oid>[0-9a-f]{64})", HubServer.download),
    ("GET", rf"/api/{REPO}/commits/(?P<revision>[^/]+)", HubServer.commits),
    ("GET", rf"/api/{REPO}/refs", HubServer.refs),
    ("POST", rf"/api/{REPO}/tag/(?P<revision>[^/]+)", HubServer.tag),
    ("DELETE", rf"/api/{REPO}/tag/(?P<revision>[^/]+)", HubServer.delete_tag),
    ("POST", rf"/api/{REPO}/super-squash/(?P<revision>[^/]+)", HubServer.squash),
    ("GET", rf"/api/{REPO}/lfs-files", HubServer.large_files),
    ("POST", rf"/api/{REPO}/lfs-files/batch", HubServer.delete_large),
]


async def _half() -> AsyncIterator[bytes]:
    """Less than was promised: the server then closes the connection."""
    yield b"{"


def _ranged(request: Request, data: bytes, headers: Mapping[str, str]) -> Response:
    """A file, or the part of it that is asked for."""
    span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if span:
        start, end = int(span[1]), min(int(span[2] or len(data)), len(data) - 1)
        part = {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
        return Response(data[start : end + 1], 206, {**headers, **part})
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(data))})
    return Response(data, headers=dict(headers))


def now() -> str:
    """The time, as the Hub writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def git_hash(data: bytes) -> str:
    """The name that git gives a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324


def _entry(path: str, file: Mapping[str, Any]) -> dict[str, Any]:
    lfs = {"oid": file["lfs"], "size": file["size"], "pointerSize": 130}
    large = {"lfs": lfs} if file["lfs"] else {}
    return {"type": "file", "path": path, "oid": file["oid"], "size": file["size"], **large}


def _only(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: body[name] for name in names}


@contextmanager
def running(folder: Path) -> Generator[HubServer]:
    """A server in a thread, on a free port."""
    hub = HubServer(folder)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        hub.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(hub, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.should_exit = server.force_exit = True
            thread.join(20)
