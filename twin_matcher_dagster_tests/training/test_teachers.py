"""What the bundled backbone is told while it is made: `tools/pretrain`, run as a program."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster_tests.people import read_raw_sample
from twin_matcher_dagster_tests.training.crowd import tiny_backbone

TOOL = PROJECT_ROOT / "tools" / "pretrain"
KEPT_OUT, LEARNT = 12, 3
HAIR = ("short", "bob", "buzz")


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces each of fifteen people of the sample, and a truth about them."""
    folder = tmp_path_factory.mktemp("renders")
    rng = np.random.default_rng(0)
    faces: dict[str, list[bytes]] = {}
    for row in read_raw_sample():
        faces.setdefault(row.label, []).append(row.image)
    rows = []
    for number, label in enumerate(sorted(faces)[: KEPT_OUT + LEARNT]):
        key = f"random{number}"
        (folder / key).mkdir()
        for view in (0, 1):
            (folder / key / f"view_{view:03d}.png").write_bytes(faces[label][view])
        rows.append({
            "person": key, "years": int(rng.integers(25, 75)),
            "gender": ("female", "male")[number % 2],
            "origins": rng.dirichlet([1, 1, 1]).tolist(), "tone": float(rng.uniform(0, 6)),
            "hair": HAIR[number % 3], "hair_colour": rng.uniform(0, 1, 3).tolist(),
            "beard": ("none", "full")[number % 5 == 1], "shape": rng.normal(size=8).tolist(),
        })  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(rows), folder / "truth.parquet")
    return folder


def run(renders: Path, work: Path, *options: str) -> str:
    """Make a backbone; what was printed."""
    command = [sys.executable, TOOL / "pretrain.py", "--renders", renders, "--work", work, *options]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tool() -> Iterator[tuple[Any, Any]]:
    """The tool's modules `faces` and `teachers`, which it imports by their short names."""
    names = ("faces", "teachers")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOL))
        for name in names:
            patch.delitem(sys.modules, name, raising=False)
        faces, teachers = map(importlib.import_module, names)
        yield faces, teachers
        for name in names:
            del sys.modules[name]


@pytest.mark.slow
def test_a_network_of_ones_own_learns_from_all_three(renders: Path, tmp_path: Path) -> None:
    backbone = tiny_backbone(tmp_path / "tiny")
    options = (
        "--backbone", backbone, "--faces", "64", "--batch", "32", "--epochs", "2",
        "--likeness", "0.5", "--truth", "0.5", "--output", str(tmp_path / "made"),
    )  # fmt: skip
    printed = run(renders, tmp_path / "work", *options)
    assert "30 faces of 15 people, 24 kept out" in printed
    for teacher in ("recogniser", "likeness", "truth"):
        assert f'"eval_cosine_{teacher}"' in printed
    faces = np.stack([read_image(row.image) for row in islice(read_raw_sample(), 4)])
    embeddings = Embedder(tmp_path / "made")(faces)
    assert embeddings.shape == (4, 16)
    assert np.isfinite(embeddings).all()


def test_the_truth_knows_who_is_alike(renders: Path, tool: tuple[Any, Any]) -> None:
    _, teachers = tool
    truth = teachers.truth_of(renders, [f"random{n}" for n in range(KEPT_OUT + LEARNT)])
    assert np.allclose(truth.mean(0), 0, atol=1e-6)
    # All parts together have the variance 1 between people.
    assert np.isclose((truth**2).sum(1).mean(), 1, atol=1e-5)
    cosines = truth @ truth.T
    # Drawn at random but for sex: who shares it is more alike.
    assert cosines[0, 2::2].mean() > cosines[0, 1::2].mean()


def test_of_whom_a_face_is_made_is_known(tool: tuple[Any, Any]) -> None:
    """Two people's crops each, and the first one's share; three of ten are of one person alone."""
    faces, _ = tool
    rows, shares = faces.parents(np.arange(30) // 2, 300, 0)
    assert rows.shape == (300, 2)
    assert (rows[:, 0] // 2 != rows[:, 1] // 2).all()
    assert rows.min() >= 0
    assert rows.max() < 30
    assert np.isclose((shares == 1).mean(), 0.3, atol=0.1)
    assert ((shares > 0) & (shares <= 1)).all()


def test_both_graphs_say_the_same_by_torch(
    tool: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU machine is asked, on the processor."""
    pytest.importorskip("onnx", reason="only a GPU machine needs it to make the backbone anew")
    _, teachers = tool
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (4, 14, 14, 3), np.uint8)
    faces = np.stack([teachers._resized(face, 112) for face in coarse])
    usual = [teacher()(faces) for teacher in (teachers.recogniser, teachers.likeness_network)]
    graph = teachers.OnGpu
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    monkeypatch.setattr(teachers, "_on_gpu", lambda: True)
    monkeypatch.setattr(teachers, "OnGpu", lambda file: graph(file, "cpu"))
    by_torch = [teacher()(faces) for teacher in (teachers.recogniser, teachers.likeness_network)]
    for one, other in zip(usual, by_torch, strict=True):
        assert (one * other).sum(1).min() > 0.9999
