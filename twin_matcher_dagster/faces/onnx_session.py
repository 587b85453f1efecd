"""How networks are run: through onnxruntime, which the detector brings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnxruntime


def open_session(model: str | bytes) -> onnxruntime.InferenceSession:
    """A session on the processor for a model file or its bytes. It may be run by several threads.

    Each run keeps to one core: the layers of a face's networks are so small that to hand them out
    takes longer than a second core saves. Whoever has several pictures runs several at once.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Files that list their weights as inputs are warned of, once for each weight.
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def unit_vectors(
    describe: Callable[[np.ndarray], np.ndarray],
    crops: Sequence[np.ndarray] | np.ndarray,
    dimensions: int,
) -> np.ndarray:
    """What a network says of each face, at unit length: float32 [n, dimensions].

    Args:
        describe: from one crop to float32 [dimensions]; called by several threads.
        crops: [n, height, width, 3].
        dimensions: of a vector.
    """
    if not len(crops):
        return np.zeros((0, dimensions), np.float32)
    # A face at a time, which fits into a core's cache, and as many at once as there are cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        vectors = np.stack(list(pool.map(describe, crops)))
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
