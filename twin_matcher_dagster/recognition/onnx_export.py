"""The embedding network as ONNX, so that whoever asks it needs neither torch nor transformers.

The graph goes the whole way, from the bytes of an aligned face to its embedding: preprocessing, the
network with neck and metric, both ways round, the mean of the two. It holds weights alone; of the
head, which knows identities, nothing is in it.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.faces.alignment import FACE_SIZE
from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.onnx_embedder import EMBEDDER_FILE, FACES_INPUT, HEAD_NAME
from twin_matcher_dagster.recognition.torch_embedder import TorchEmbedder

_OUTPUT = "embeddings"
# It warns of what is not installed and not needed.
logging.getLogger("torch.onnx").setLevel(logging.ERROR)


class _Embedding(nn.Module):
    """From uint8 RGB [n, 160, 160, 3] to float32 [n, dimensions], as ``TorchEmbedder`` does it."""

    resize: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, net: TwinNet) -> None:
        super().__init__()
        self.net = net.requires_grad_(False)
        geometry = net.preprocessing
        self.register_buffer("resize", geometry.resizing(FACE_SIZE))
        for name in ("mean", "std"):
            values = torch.tensor(getattr(geometry, name))
            self.register_buffer(name, values.view(1, 3, 1, 1))

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        pixels = faces.permute(0, 3, 1, 2).float() / 255
        # Along one axis and then along the other, as any resizing of a square.
        pixels = (self.resize @ pixels @ self.resize.T).clamp(0, 1)
        pixels = (pixels - self.mean) / self.std
        both = self.net.embed(torch.cat([pixels, pixels.flip(3)]))
        return functional.normalize(both.reshape(2, -1, both.shape[1]).sum(0), dim=1)


def export_embedder(folder: Path) -> None:
    """Write :data:`~.onnx_embedder.EMBEDDER_FILE` beside the weights of a model folder.

    Raises:
        TrainingError: the folder cannot be read, or the network is none that ONNX can say.
    """
    net = TorchEmbedder(folder).net
    head = next(name for name, module in net.model.named_modules() if module is net.head)
    faces = torch.zeros(2, FACE_SIZE, FACE_SIZE, 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own, about what it will deprecate
            program: Any = torch.onnx.export(
                _Embedding(net).eval(),
                (faces,),
                dynamo=True,
                input_names=[FACES_INPUT],
                output_names=[_OUTPUT],
                dynamic_shapes={FACES_INPUT: {0: torch.export.Dim("n")}},
                verbose=False,
            )
    # torch raises many types, some of them not exported.
    except Exception as error:
        raise TrainingError(
            f"The network cannot be written as ONNX: {type(error).__name__}. It is asked through "
            "torch instead."
        ) from error
    model = program.model_proto
    _forget_origin(model)
    model.metadata_props.add(key=HEAD_NAME, value=f"{head}.weight")
    (folder / EMBEDDER_FILE).write_bytes(model.SerializeToString(deterministic=True))


def _forget_origin(model: Any) -> None:
    """Take out which lines of whose sources a graph comes from: equal networks, equal bytes."""
    graph = model.graph
    del graph.value_info[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
