"""The reference recogniser: its vectors, its file, and where else it may come from."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from twin_matcher_dagster.errors import RecogniserError
from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.recogniser import (
    BUNDLED_FILE,
    DIMENSIONS,
    HUB_FILE,
    Recogniser,
    load_recogniser,
)
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import PROJECT_ROOT, SAMPLE
from twin_matcher_dagster_tests.clips import sample_report

REPOSITORY = "somebody/face_recogniser"
# The first numbers of the vector of drawn_face().
GOLDEN = [-0.0146, -0.05118, 0.00647, -0.13588, 0.05281, 0.06977, -0.14977, -0.03899]


def drawn_face() -> np.ndarray:
    """Something like a face in the template's position: uint8 RGB [160, 160, 3]."""
    y, x = np.indices((160, 160), dtype=np.float64)

    def spot(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)[..., None]

    image = np.stack([90 + 0.3 * y, 100 + 0.2 * x, 140 - 0.2 * y], -1)
    for place, colour in (
        (spot(80, 90, 62, 80), (205, 160, 135)),
        (spot(80, 8, 75, 30), (60, 42, 35)),
        (spot(55, 62, 19, 5), (70, 48, 40)),
        (spot(105, 62, 19, 5), (70, 48, 40)),
        (spot(55, 74, 12, 6), (240, 235, 230)),
        (spot(105, 74, 12, 6), (240, 235, 230)),
        (spot(55, 74, 5, 5), (45, 60, 40)),
        (spot(105, 74, 5, 5), (45, 60, 40)),
        (spot(74, 102, 9, 14), (165, 118, 98)),
        (spot(80, 132, 21, 6), (170, 70, 72)),
    ):
        image += (np.array(colour) - image) * place
    return image.round().astype(np.uint8)


@lru_cache
def portrait(name: str) -> np.ndarray:
    photo = read_image(SAMPLE / "photos" / f"{name}.jpg")
    return align(photo, detect_faces(photo)[0].landmarks)


def test_vectors_have_unit_length() -> None:
    crops = [portrait("amara"), portrait("mira"), drawn_face(), np.zeros((160, 160, 3), np.uint8)]
    vectors = load_recogniser()(crops)
    assert (vectors.shape, vectors.dtype) == ((4, DIMENSIONS), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_no_faces_have_no_vectors() -> None:
    assert load_recogniser()([]).shape == (0, DIMENSIONS)


def test_a_face_has_the_same_vector_in_any_company() -> None:
    """More than one batch: nothing is left out, put elsewhere or mixed."""
    crops = [np.roll(drawn_face(), 3 * n, 1) for n in range(18)]
    together = load_recogniser()(crops)
    for n in (0, 15, 16, 17):
        assert together[n] @ load_recogniser()([crops[n]])[0] > 0.9999
    assert np.allclose(together, load_recogniser()(np.stack(crops)))


def test_one_person_is_more_alike_than_two() -> None:
    names = ["amara", "teodor"]
    clips = [[f"{name}_1", f"{name}_2"] for name in names]
    templates = [
        [template_of(load_recogniser()([face.image for face in report.faces[::5]]))
         for report in (sample_report(SAMPLE / "clips" / f"{clip}.mp4")[0] for clip in pair)]
        for pair in clips
    ]  # fmt: skip
    photos = load_recogniser()([portrait(name) for name in names])
    for n, (first, second) in enumerate(templates):
        other = 1 - n
        same = [first @ second, photos[n] @ first, photos[n] @ second]
        different = [first @ templates[other][0], photos[n] @ templates[other][1]]
        assert min(same) > 0.7 > max(different)
        assert min(same) > max(different) + 0.15


def test_a_template_is_the_direction_of_the_mean() -> None:
    vectors = np.eye(DIMENSIONS, dtype=np.float32)[:2]
    template = template_of(vectors)
    assert template.dtype == np.float32
    assert template[:3] == pytest.approx([0.5**0.5, 0.5**0.5, 0])
    assert np.isfinite(template_of(np.stack([vectors[0], -vectors[0]]))).all()


def test_the_vector_of_a_drawn_face_is_what_it_was() -> None:
    """A change of the preparation (size, order of colours, scale) is another recogniser."""
    image = drawn_face()
    vector, swapped = load_recogniser()([image, image[..., ::-1]])
    assert vector[:8] == pytest.approx(GOLDEN, abs=0.003)
    assert swapped[:8] != pytest.approx(GOLDEN, abs=0.01)


def test_opencv_itself_gives_the_same_vectors() -> None:
    """Its own runner of the model, with its own preparation of the pixels."""
    opencv = cv2.FaceRecognizerSF.create(str(BUNDLED_FILE), "")
    for crop in (portrait("amara"), portrait("teodor"), drawn_face()):
        small = cv2.resize(crop, (112, 112), interpolation=cv2.INTER_AREA)
        wanted = opencv.feature(np.ascontiguousarray(small[..., ::-1]))[0]
        assert load_recogniser()([crop])[0] @ wanted / np.linalg.norm(wanted) > 0.9999


def test_the_bundled_file_is_the_one_that_the_notice_names() -> None:
    notice = (BUNDLED_FILE.parent / "NOTICE.md").read_text()
    checksum = hashlib.sha256(BUNDLED_FILE.read_bytes()).hexdigest()
    assert checksum in re.findall(r"\b[0-9a-f]{64}\b", notice)
    assert "Apache License" in (BUNDLED_FILE.parent / "LICENSE").read_text()


def test_it_is_loaded_once() -> None:
    found: list[Recogniser] = []
    threads = [threading.Thread(target=lambda: found.append(load_recogniser())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1


def field(number: int, value: bytes | int | str) -> bytes:
    """One field of a protocol buffer."""

    def varint(n: int) -> bytes:
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def model_that_changes_nothing(shape: tuple[int, ...]) -> bytes:
    """An ONNX model whose one output is its one input, of this shape."""

    def value_info(name: str) -> bytes:
        dimensions = b"".join(field(1, field(1, side)) for side in shape)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, dimensions)))

    node = field(1, "data") + field(2, "out") + field(4, "Identity")
    graph = field(1, node) + field(2, "g") + field(11, value_info("data"))
    graph += field(12, value_info("out"))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def test_a_file_of_ones_own_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "own model.onnx").write_bytes(BUNDLED_FILE.read_bytes())
    own = load_recogniser(str(tmp_path / "own model.onnx"))
    assert np.allclose(own([drawn_face()]), load_recogniser()([drawn_face()]))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot be loaded"),
        (b"these are only words", "cannot be loaded"),
        (BUNDLED_FILE.read_bytes()[:5000], "cannot be loaded"),
        (model_that_changes_nothing((1, 3, 112, 112)), "does not give 128 numbers"),
        (model_that_changes_nothing((1, 128)), "recogniser"),
        (model_that_changes_nothing((1, 3, 200, 128)), "recogniser"),
        (model_that_changes_nothing(()), "recogniser"),
    ],
    ids=["nothing", "text", "half", "pictures out", "vectors in", "another size", "one number"],
)
def test_a_file_that_is_no_recogniser_is_explained(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    for _ in range(2):  # a failure is not kept as a success
        with pytest.raises(RecogniserError, match=reason) as refused:
            load_recogniser(str(path))
        assert str(path) in str(refused.value)
        assert "Set RECOGNISER to" in str(refused.value)


@pytest.mark.parametrize(
    "source", ["/nowhere/model.onnx", "no such file", "a/b/c", "", "~no-such-user/x"]
)
def test_a_file_that_is_missing_is_explained(source: str) -> None:
    """None of these can be the name of a repository, so that the Hub is not asked."""
    with pytest.raises(RecogniserError, match=r"Set RECOGNISER to 'bundled'"):
        load_recogniser(source)


class Hub(BaseHTTPRequestHandler):
    """Answers for one repository as https://huggingface.co does."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str]]

    def _answer(self, with_body: bool) -> None:
        self.asked.append((self.command, self.path))
        data = BUNDLED_FILE.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": "0123456789abcdef" * 2 + "01234567",
            "Accept-Ranges": "bytes",
        }
        if self.path != f"/{REPOSITORY}/resolve/main/{HUB_FILE}":
            data, headers = b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Not found"}
        self.send_response(200 if data else 404)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[ThreadingHTTPServer, list[tuple[str, str]]]]:
    """A server in the place of the Hub, and what it was asked for."""
    asked: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHub", (Hub,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, asked
    server.shutdown()
    server.server_close()


PROGRAM = """
import json, sys
import numpy as np
from twin_matcher_dagster.errors import RecogniserError
from twin_matcher_dagster.faces.recogniser import load_recogniser
try:
    face = np.load(sys.argv[2])
    print(json.dumps({"vector": load_recogniser(sys.argv[1])([face])[0].tolist()}))
except RecogniserError as error:
    print(json.dumps({"error": str(error)}))
"""


TELL_TALE = """
import numpy as np
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.recogniser import load_recogniser
face = np.zeros((160, 160, 3), np.uint8)
detect_faces(face)
load_recogniser()([face])
"""


def test_it_tells_nobody_that_it_runs(tmp_path: Path) -> None:
    """onnxruntime from 1.29 on reports to its makers, and keeps files for it, unless it is told."""
    folders = {name: tmp_path / name for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME")}
    for folder in folders.values():
        folder.mkdir()
    # It is silent in a process that says "CI".
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    subprocess.run(
        [sys.executable, "-c", TELL_TALE],
        env={**kept, **{name: str(folder) for name, folder in folders.items()}},
        cwd=PROJECT_ROOT,
        timeout=120,
        check=True,
    )
    assert [file for folder in folders.values() for file in folder.rglob("*")] == []


def in_a_process_with_this_hub(
    port: int, folder: Path, repository: str = REPOSITORY
) -> dict[str, object]:
    """Load a recogniser where the Hub is on this port of ours, and its cache in this folder."""
    np.save(folder / "face.npy", drawn_face())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    for name in list(kept):
        if name.lower().endswith("_proxy"):
            del kept[name]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, repository, str(folder / "face.npy")],
        env={**kept, "HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(folder / "hf")},
        cwd=PROJECT_ROOT,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def test_it_may_come_from_the_hub_and_is_kept(
    tmp_path: Path, hub: tuple[ThreadingHTTPServer, list[tuple[str, str]]]
) -> None:
    """Once it was fetched, it is there without the Hub, too."""
    server, asked = hub
    first = in_a_process_with_this_hub(server.server_port, tmp_path)
    assert first["vector"] == pytest.approx(load_recogniser()([drawn_face()])[0], abs=1e-4)
    # Other requests of the client, about itself, do not matter.
    wanted = f"/{REPOSITORY}/resolve/main/{HUB_FILE}"
    assert [method for method, path in asked if path == wanted] == ["HEAD", "GET"]
    server.shutdown()
    server.server_close()
    assert in_a_process_with_this_hub(server.server_port, tmp_path) == first


def test_a_repository_that_is_not_there_is_explained(
    tmp_path: Path, hub: tuple[ThreadingHTTPServer, list[tuple[str, str]]]
) -> None:
    answer = in_a_process_with_this_hub(hub[0].server_port, tmp_path, "somebody/nothing")
    assert "somebody/nothing" in str(answer["error"])
    assert HUB_FILE in str(answer["error"])
    assert "Set RECOGNISER to 'bundled', an ONNX file, or a repository id." in str(answer["error"])
