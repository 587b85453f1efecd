"""What the pupil is told of a face: by two networks, and by the renderer.

The recogniser (SFace) tells people apart, the likeness network (dlib's) what kind of face it is,
and the renderer knows what it made: how alike two of its people are is known exactly.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from faces import BATCH, filled
from pyarrow import parquet
from torch.nn import functional

from twin_matcher_dagster.faces.alignment import FACE_SIZE
from twin_matcher_dagster.faces.likeness_network import (
    _CHIP,
    _CHIP_SIZE,
    LIKENESS_FILE,
    load_likeness_network,
)
from twin_matcher_dagster.faces.recogniser import BUNDLED_FILE, load_recogniser

# Share of the variance between people that each part of the truth has. A crop shows little hair.
TRUTH_SHARES = {"shape": 0.45, "gender": 0.15, "years": 0.12, "skin": 0.15, "hair": 0.08,
                "beard": 0.05}  # fmt: skip

Asked = Callable[[np.ndarray], np.ndarray]


def recogniser() -> Asked:
    """From faces, uint8 RGB [n, 112, 112, 3], to SFace's unit vectors, float32 [n, 128]."""
    if not _on_gpu():
        return load_recogniser()
    graph = OnGpu(BUNDLED_FILE)
    return _compared(load_recogniser(), lambda faces: _unit(graph(_pixels(faces))))


def likeness_network() -> Asked:
    """From faces, uint8 RGB [n, 112, 112, 3], to dlib's unit vectors, float32 [n, 128]."""
    network = load_likeness_network()

    def usual(faces: np.ndarray) -> np.ndarray:
        return network([_resized(face, FACE_SIZE) for face in faces])

    if not _on_gpu():
        return usual
    graph = OnGpu(LIKENESS_FILE)

    def ask(faces: np.ndarray) -> np.ndarray:
        larger = np.stack([_resized(face, FACE_SIZE) for face in faces])
        views = (_chips(_pixels(one)) for one in (larger, larger[:, :, ::-1]))
        return _unit(sum(graph(view) for view in views))

    return _compared(usual, ask)


def taught(faces: np.ndarray, file: Path, teacher: Callable[[], Asked]) -> np.ndarray:
    """What a teacher says of faces, float32 [n, 128], in a file."""
    ask, shape = teacher(), (len(faces), 128)
    return filled(file, shape, np.float32, lambda n: ask(faces[n : n + BATCH]), file.stem)


def truth_of(renders: Path, keys: Sequence[str]) -> np.ndarray:
    """What is true of people, float32 [people, numbers]; the mean of all is 0.

    The cosine of two says how alike they are. Each part has its share of the variance
    (:data:`TRUTH_SHARES`), whatever its numbers are.

    Args:
        renders: folder with ``truth.parquet``.
        keys: who.
    """
    rows = {row["person"]: row for row in parquet.read_table(renders / "truth.parquet").to_pylist()}
    people = [rows[key] for key in keys]

    def numbers(*names: str) -> np.ndarray:
        return np.array([np.hstack([one[name] for name in names]) for one in people], np.float64)

    def kinds(name: str) -> np.ndarray:
        found = np.array([one[name] for one in people])
        return (found[:, None] == np.unique(found)).astype(np.float64)

    parts = {
        "shape": numbers("shape"),
        "gender": kinds("gender"),
        "years": numbers("years"),
        "skin": np.hstack([_even(numbers("tone")), _even(numbers("origins"))]),
        "hair": np.hstack([_even(numbers("hair_colour")), _even(kinds("hair"))]),
        "beard": kinds("beard"),
    }
    shares = [TRUTH_SHARES[name] ** 0.5 * _even(part) for name, part in parts.items()]
    return np.hstack(shares).astype(np.float32)


def _even(part: np.ndarray) -> np.ndarray:
    """Less its mean, of variance 1 in all."""
    part = part - part.mean(0)
    return part / np.sqrt((part**2).sum(1).mean())


def _on_gpu() -> bool:
    """Whether there is one, and the package `onnx` to read a network with."""
    return torch.cuda.is_available() and importlib.util.find_spec("onnx") is not None


def _compared(usual: Asked, ask: Asked) -> Asked:
    """The second of two that say the same; how near they are is printed once."""
    told = []

    def both(faces: np.ndarray) -> np.ndarray:
        vectors = ask(faces)
        if not told:
            told.append((vectors[:64] * usual(faces[:64])).sum(1).min())
            print(f"on the GPU: cosine to the usual vectors at least {told[0]:.6f}")
        return vectors

    return both


def _resized(face: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(face, (side, side), interpolation=cv2.INTER_LINEAR)


def _pixels(faces: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(faces)).cuda().permute(0, 3, 1, 2).float()


def _chips(pixels: torch.Tensor) -> torch.Tensor:
    """The part of a crop that dlib's network looks at, as the package cuts it out."""
    back = np.linalg.inv(np.vstack([_CHIP, [0, 0, 1]]))
    side = torch.arange(_CHIP_SIZE, device=pixels.device, dtype=torch.float32)
    x, y = (side * back[n, n] + back[n, 2] for n in (0, 1))
    last = pixels.shape[-1] - 1
    y, x = torch.meshgrid(2 * y / last - 1, 2 * x / last - 1, indexing="ij")
    grid = torch.stack([x, y], -1).expand(len(pixels), -1, -1, -1)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=True).round()


def _unit(vectors: Any) -> np.ndarray:
    return functional.normalize(vectors, dim=1).cpu().numpy()


class OnGpu:
    """A bundled network's graph, run by torch: the package has no onnxruntime for GPUs.

    It needs the package ``onnx``, to read the file.
    """

    def __init__(self, file: Path, device: str = "cuda") -> None:
        import onnx

        graph = onnx.load(str(file)).graph
        self._nodes = [
            (node, {of.name: onnx.helper.get_attribute_value(of) for of in node.attribute})
            for node in graph.node
        ]
        weights = {one.name: onnx.numpy_helper.to_array(one).copy() for one in graph.initializer}
        self._given = {
            name: torch.from_numpy(one).to(device if one.dtype.kind == "f" else "cpu")
            for name, one in weights.items()
        }
        (self._asked,) = {one.name for one in graph.input} - set(self._given)
        self._told = graph.output[0].name
        self._last_use = {n: at for at, node in enumerate(graph.node) for n in node.input}

    @torch.no_grad()
    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """What it says, float32 [n, 128], of pixels from 0 to 255, float32 [n, 3, side, side]."""
        values = dict(self._given)
        values[self._asked] = pixels
        for at, (node, how) in enumerate(self._nodes):
            values[node.output[0]] = _NODES[node.op_type]([values[n] for n in node.input], how)
            for name in set(node.input):
                if self._last_use[name] == at:
                    del values[name]  # a batch's feature maps are gigabytes together
        return values[self._told]


def _convolved(given: list[torch.Tensor], how: dict[str, Any]) -> torch.Tensor:
    face, weight, *bias = given
    top, left, bottom, right = how["pads"]
    face = functional.pad(face, (left, right, top, bottom))
    return functional.conv2d(face, weight, *bias, stride=how["strides"], groups=how.get("group", 1))


def _normalised(given: list[torch.Tensor], how: dict[str, Any]) -> torch.Tensor:
    face, scale, shift, mean, variance = given
    return functional.batch_norm(face, mean, variance, scale, shift, eps=how["epsilon"])


def _padded(given: list[torch.Tensor], _: dict[str, Any]) -> torch.Tensor:
    face, pads = given
    before, after = pads.reshape(2, -1).tolist()
    flat = [side for axis in reversed(range(face.ndim)) for side in (before[axis], after[axis])]
    return functional.pad(face, flat)


# The nodes of both graphs; SFace's matrix product has its weights transposed.
_NODES: dict[str, Callable[[list[torch.Tensor], dict[str, Any]], torch.Tensor]] = {
    "Add": lambda given, how: given[0] + given[1],
    "AveragePool": lambda given, how: functional.avg_pool2d(
        given[0], how["kernel_shape"], how["strides"]
    ),
    "BatchNormalization": _normalised,
    "Cast": lambda given, how: given[0].float(),
    "Conv": _convolved,
    "Dropout": lambda given, how: given[0],
    "Flatten": lambda given, how: given[0].flatten(1),
    "Gemm": lambda given, how: functional.linear(*given),
    "GlobalAveragePool": lambda given, how: given[0].mean((2, 3), keepdim=True),
    "MatMul": lambda given, how: given[0] @ given[1],
    "MaxPool": lambda given, how: functional.max_pool2d(
        given[0], how["kernel_shape"], how["strides"]
    ),
    "Mul": lambda given, how: given[0] * given[1],
    "Pad": _padded,
    "Relu": lambda given, how: functional.relu(given[0]),
    "Sub": lambda given, how: given[0] - given[1],
}
